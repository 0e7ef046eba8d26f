from irltui.testing import check_reward
from irltui_template.reward import Bounded


def test_the_reward_keeps_the_contract() -> None:
    check_reward(Bounded(kind="template/bounded"))
    check_reward(Bounded(kind="template/bounded", limit=0.5))
