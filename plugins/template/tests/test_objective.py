from irltui.testing import check_objective
from irltui_template.objective import Focal


def test_the_objective_keeps_the_contract() -> None:
    check_objective(Focal(kind="template/focal"))
    check_objective(Focal(kind="template/focal", focus=2.0))
