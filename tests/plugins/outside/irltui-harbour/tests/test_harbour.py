from irltui.testing import check_benchmark, check_reward, check_sampler
from irltui_harbour import Cached, Manners, Words


def test_all_parts_keep_their_contracts() -> None:
    check_reward(Words(kind="harbour/words"))
    check_sampler(Cached(kind="harbour/cached"))
    check_benchmark(Manners(kind="harbour/manners"))
