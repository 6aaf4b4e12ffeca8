"""What the durability tests share: the library of faults, built once."""

import pytest
from hostile import build_faults


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return build_faults(tmp_path_factory.mktemp("faults"))
