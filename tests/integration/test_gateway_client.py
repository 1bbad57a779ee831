"""The client of docs/GATEWAY.md in a real JavaScript engine against a real gate."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway_support import UNHURRIED, LosingStore, gate_over, scene, store_over
from quota_support import Database
from tickctl.gateway import GateOptions

GUIDE = Path(__file__).parents[2] / "docs" / "GATEWAY.md"
NODE = shutil.which("node")
# Waits are noted and not waited for; the outcome is printed.
DRIVER = """
import { postTask } from "./client.mjs";
const [url, key, ...tokens] = process.argv.slice(2);
const waits = [];
const later = globalThis.setTimeout;
globalThis.setTimeout = (go, milliseconds, ...rest) => {
  if (!new Error().stack.includes("client.mjs")) return later(go, milliseconds, ...rest);
  waits.push(milliseconds);
  return later(go, 0);
};
let token = tokens.shift();
const options = {
  key: key || undefined,
  getToken: async () => token,
  refreshToken: async () => { token = tokens.shift() ?? token; },
};
const outcome = await postTask(url, { max_ticks: 20 }, options).then(
  (answer) => ({ answer }),
  (error) => ({ status: error.status, message: error.message, code: error.problem.code }),
);
console.log(JSON.stringify({ ...outcome, waits }));
"""

pytestmark = pytest.mark.skipif(NODE is None, reason="there is no node on this machine")


def post_task(folder: Path, url: str, *tokens: str, key: str = "") -> dict[str, Any]:
    """Run the guide's client and return what came of it."""
    (code,) = re.findall(r"```js\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (folder / "client.mjs").write_text(code)
    (folder / "driver.mjs").write_text(DRIVER)
    command = [str(NODE), "driver.mjs", f"{url}/tasks", key, *tokens]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_an_expired_token_is_refreshed_once(shared_database: Database, tmp_path: Path) -> None:
    """The session is renewed and the task sent again; a second 401 is told."""
    user = shared_database.add_user()
    with scene(shared_database) as gateway:
        old = gateway.token(user, iat=1_700_000_000, exp=1_700_003_600)
        outcome = post_task(tmp_path, gateway.served.url, old, gateway.token(user))
        assert outcome == {"answer": {"length": 16}, "waits": []}
        outcome = post_task(tmp_path, gateway.served.url, old, old)
        assert (outcome["status"], outcome["code"]) == (401, "expired")
        assert gateway.used(user) == 20


def test_a_quota_is_not_waited_for(shared_database: Database, tmp_path: Path) -> None:
    """The page is told, with the problem, when the ticks of the day don't suffice."""
    user = shared_database.add_user(limit=30)
    with scene(shared_database) as gateway:
        token = gateway.token(user)
        assert "answer" in post_task(tmp_path, gateway.served.url, token)
        outcome = post_task(tmp_path, gateway.served.url, token)
        assert (outcome["status"], outcome["code"], outcome["waits"]) == (429, "quota_exhausted", [])


def test_an_outage_is_waited_for_with_the_same_key(shared_database: Database, tmp_path: Path) -> None:
    """Retry-After is honoured, and the user charged once, though the first attempt had counted as well."""
    user = shared_database.add_user()
    store = store_over(shared_database)
    losing = LosingStore(store, losses=2)
    gate = gate_over(shared_database, store=losing, close=store.aclose, options=GateOptions(timeout=UNHURRIED))
    with scene(shared_database, gate=gate) as gateway:
        outcome = post_task(tmp_path, gateway.served.url, gateway.token(user))
        assert outcome["answer"] == {"length": 16}
        (wait,) = outcome["waits"]
        assert 5000 <= wait <= 7500
        assert losing.keys[0] is not None
        assert len(set(losing.keys)) == 1
        assert gateway.used(user) == 20


def test_another_attempt_is_waited_for(shared_database: Database, tmp_path: Path) -> None:
    """Until it has failed, which frees the key; the page sends the same task again under a key that it has kept."""
    user = shared_database.add_user()
    with scene(shared_database) as gateway:
        token, headers = gateway.token(user), {"Idempotency-Key": '"kept"', "Content-Type": "application/json"}
        assert gateway.post(user, content=b'{"max_ticks":20}', headers=headers).status_code == 202
        outcome = post_task(tmp_path, gateway.served.url, token, key="kept")
        assert (outcome["status"], outcome["code"], len(outcome["waits"])) == (409, "already_accepted", 4)
        gateway.database.run(f"select public.settle_ticks(id, 0) from tick.charge where user_id = '{user.id}'")
        assert "answer" in post_task(tmp_path, gateway.served.url, token, key="kept")
        assert gateway.used(user) == 20
