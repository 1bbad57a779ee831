"""`tickctl demo`: it tells the truth and leaves nothing behind."""

import tempfile
from pathlib import Path

from cli_support import Tickctl


def test_demo_shows_what_it_promises_and_cleans_up(tickctl: Tickctl, tmp_path: Path) -> None:
    """Exactly the limit is admitted, each refusal is named, and the temporary folder is empty afterwards."""
    temporary = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    result = tickctl("demo", env={"TMPDIR": str(temporary)}, timeout=300)
    assert result.code == 0, result.out + result.err
    assert "granted\t32" in result.out
    assert "quota_exhausted\t368" in result.out
    for reason in ("valid", "expired", "bad_signature", "email_not_confirmed"):
        assert f"reason\t{reason}" in result.out
    assert "daily_tick_limit 32 -> 200" in result.out
    assert "$ tickctl quota set alice@example.com 200" in result.out
    assert list(temporary.iterdir()) == []
    temporary.rmdir()


def test_demo_is_deaf_to_the_project_around_it(tickctl: Tickctl, tmp_path: Path) -> None:
    """A configured project is never touched by a demonstration."""
    (tmp_path / ".env").write_text("SUPABASE_URL=https://real.supabase.co\n")
    result = tickctl("demo", "--json", env={"SUPABASE_DB_URL": "postgresql://real/real"}, timeout=300)
    assert result.code == 0, result.err
    assert result.json["ok"] is True
