"""Where the tests' database gets its locale from."""

from tests.offbeat.support.locales import find_locale


def test_a_machine_without_programs_for_locales_is_tested_with_c(tmp_path, monkeypatch):
    """Alpine has neither `locale` nor `localedef`: no test would start there."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_locale("xx_XX.UTF-8", tmp_path) == ("C", {})
