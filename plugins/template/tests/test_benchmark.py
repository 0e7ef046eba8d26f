from irltui.testing import check_benchmark
from irltui_template.benchmark import Distinct


def test_the_benchmark_keeps_the_contract() -> None:
    check_benchmark(Distinct(kind="template/distinct"))
