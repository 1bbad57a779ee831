"""`PYTHONPATH=tests python -m strict_aws`: an account to try commands on by hand, until Ctrl-C.

It prints the variables for another shell, and has a cluster with a service `gateway`. Nothing is kept.
"""

import signal
import sys

from strict_aws.arranged import CLUSTER, given_service
from strict_aws.server import strict_aws


def main() -> None:
    """Serve until interrupted."""
    with strict_aws() as aws:
        given_service(aws, "gateway")
        for name, value in aws.environ.items():
            sys.stdout.write(f"export {name}='{value}'\n")
        sys.stdout.write(f"# cluster {CLUSTER}, service gateway, task definition gateway:1\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
