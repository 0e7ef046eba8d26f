from irltui.testing import check_sampler
from irltui_template.sampler import Plain


def test_the_sampler_keeps_the_contract() -> None:
    check_sampler(Plain(kind="template/plain"))
