"""What helpers assert is told as what tests assert is: with what differs."""

import pytest

pytest.register_assert_rewrite("charging_assets_tests.preprocessing.flat_hours")
