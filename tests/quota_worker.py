"""A process of many clients that consume at once: `python -m quota_worker`, with a job on stdin, as JSON.

Prints how often each decision was made, and the sum of the ticks that were granted.
"""

import json
import random
import sys
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from quota_support import calling
from tickctl.adapters.postgres import PostgresFunctions
from tickctl.core.quota import Decision, consume
from tickctl.core.secret import Secret


def work(job: dict[str, Any], client: int) -> Counter[str]:
    """Be one client: make requests one after another, of random cost unless all make the same ones.

    Those have request keys ("keys"), charge ids ("ids"), or both.
    """
    chance = random.Random(f"{job['seed']} {client}")  # noqa: S311 - not for secrets
    caller = calling(job["claims"])
    counts: Counter[str] = Counter()
    with PostgresFunctions(Secret(job["url"]), statement_timeout=120) as functions:
        numbers = list(range(job["requests"]))
        chance.shuffle(numbers)
        for number in numbers:
            ticks = 1 + number % job["largest"] if job["same"] else chance.randint(1, job["largest"])
            key = f"key {number}" if "keys" in job["same"] else None
            charge_id = str(uuid.UUID(int=number + 1)) if "ids" in job["same"] else None
            answer = consume(functions, caller, ticks, key, key and "digest", charge_id=charge_id)
            counts[answer.decision.value] += 1
            if answer.decision is Decision.GRANTED:
                counts["ticks"] += ticks
                counts[f"ticks {answer.usage_date}"] += ticks
                if charge_id:
                    counts[f"charge {charge_id}"] += 1
    return counts


def main() -> None:
    """Run the clients of this process and print their counts."""
    job = json.load(sys.stdin)
    first, clients = job["first_client"], job["clients"]
    with ThreadPoolExecutor(clients) as pool:
        total: Counter[str] = sum(pool.map(lambda c: work(job, c), range(first, first + clients)), Counter())
    print(json.dumps(total))  # noqa: T201 - its result


if __name__ == "__main__":
    main()
