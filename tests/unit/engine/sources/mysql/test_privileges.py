"""What a credential holds follows from its grants, and from what is revoked from global ones."""

from __future__ import annotations

import pytest

from landfall.engine.sources.mysql.privileges import held_on


@pytest.mark.parametrize(
    ("grants", "expected", "lacks"),
    [
        (["GRANT SELECT, TRIGGER ON `shop`.* TO `u`@`%`"], {"SELECT", "TRIGGER"}, {"SHOW VIEW"}),
        (["GRANT SELECT ON *.* TO `u`@`%`", "REVOKE SELECT ON `shop`.* FROM `u`@`%`"], set(), {"SELECT"}),
        (["GRANT SELECT ON *.* TO `u`@`%`", "REVOKE SELECT ON `mysql`.* FROM `u`@`%`"], {"SELECT"}, set()),
        (["GRANT ALL PRIVILEGES ON *.* TO `u`@`%`"], {"ALL PRIVILEGES"}, set()),
        (["GRANT ALL PRIVILEGES ON *.* TO `u`@`%`", "REVOKE EVENT ON `shop`.* FROM `u`@`%`"], {"SELECT", "EXECUTE"}, {"EVENT"}),
        (["GRANT SELECT ON `shop`.`t` TO `u`@`%`", "GRANT `r`@`%` TO `u`@`%`"], set(), {"SELECT"}),
        ([r"GRANT SELECT ON `sh%`.* TO `u`@`%`", "GRANT LOCK TABLES ON `other`.* TO `u`@`%`"], {"SELECT"}, {"LOCK TABLES"}),
    ],
)
def test_grants_on_a_schema(grants: list[str], expected: set[str], lacks: set[str]) -> None:
    privileges = held_on("shop", grants)
    assert expected <= privileges
    assert not lacks & privileges
