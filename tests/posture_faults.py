"""One table of faults: for each check of the audit what breaks it, and which checks notice.

Tests plant each of them in the sound account, one at a time. A fault is planted before the gateway is deployed, since
most of them are something that somebody deploys, or into the running account.
"""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from posture_support import EVERYBODY, Account
from strict_aws import ACCOUNT, REGION
from tickctl.core.audit.catalogue import Check

# Made up. Each has the form that its kind is known by.
PASSWORD: Final = "correct-horse-battery-staple"
DEMO_SECRET: Final = "super-secret-jwt-token-with-at-least-32-characters-long"
_REGISTRY: Final = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
_KEY_ID: Final = "AKIA" + "IOSFODNN7EXAMPLE"
_PEM: Final = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----"


def _jwt(**claims: str) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, claims, "made-up-signature")
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join(encoded)


DEMO_KEY: Final = _jwt(role="anon", iss="supabase-demo")
SERVICE_KEY: Final = _jwt(role="service_role", iss="supabase", ref="abcdefghijklmnopqrst")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with an account.

    Attributes:
        name: of the test.
        checks: those that must fail, and no others.
        plant: puts it into the account.
        running: whether it comes after the deployment.
        names: parts of subjects; each must be in that of a finding.
        hidden: values that no output may show.
    """

    name: str
    checks: tuple[Check, ...]
    plant: Callable[[Account], object]
    running: bool = False
    names: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


def faults() -> Iterator[Fault]:
    """Yield all faults, in the order of the catalogue."""
    yield from _plain_secrets()
    yield from _references()
    yield from _isolation()
    yield from _connections()
    yield from _listeners()
    yield from _volumes()
    yield from _switches()


def _plain_secrets() -> Iterator[Fault]:
    plain = {
        "DATABASE_PASSWORD": PASSWORD,
        "SESSION_SECRET": PASSWORD,
        "GITHUB_TOKEN": PASSWORD,
        "OPENAI_API_KEY": PASSWORD,
        "BROKER": f"amqps://gateway:{PASSWORD}@broker.internal:5671/",
        "UPLOADS_ID": _KEY_ID,
        "CERTIFICATE": _PEM,
        "BACKEND": SERVICE_KEY,
    }
    yield Fault(
        "environment",
        (Check.PLAIN_SECRET,),
        lambda account: account.environment.update(plain),
        names=tuple(f"environment {name}" for name in plain),
        hidden=tuple(plain.values()),
    )
    yield Fault(
        "environment-with-a-name-of-the-secret",
        (Check.PLAIN_SECRET,),
        _name_of_the_secret_in_the_clear,
        names=("environment TRANSLATION_API_EMAIL",),
        hidden=("gateway-of-tests@example.com",),
    )

    def elsewhere(account: Account) -> None:
        account.container().update(
            command=["serve", f"--database-password={PASSWORD}"],
            dockerLabels={"deploy.token": PASSWORD},
            logConfiguration={"logDriver": "splunk", "options": {"splunk-token": PASSWORD}},
        )

    yield Fault(
        "elsewhere-in-the-container",
        (Check.PLAIN_SECRET,),
        elsewhere,
        names=("command", "label deploy.token", "log option splunk-token"),
        hidden=(PASSWORD,),
    )
    yield Fault(
        "entry-point",
        (Check.PLAIN_SECRET,),
        lambda account: account.container().update(entryPoint=["sh", "-c", f"export API_TOKEN={PASSWORD}; serve"]),
        names=("container gateway, command",),
        hidden=(PASSWORD,),
    )

    def bake(account: Account) -> None:
        account.container()["image"] = account.image("1.0.1", DATABASE_PASSWORD=PASSWORD)

    yield Fault(
        "image", (Check.IMAGE_ENV,), bake, names=("gateway:1.0.1, environment DATABASE_PASSWORD",), hidden=(PASSWORD,)
    )


def _name_of_the_secret_in_the_clear(account: Account) -> None:
    secrets = account.container()["secrets"]
    account.container()["secrets"] = [each for each in secrets if each["name"] != "TRANSLATION_API_EMAIL"]
    account.environment["TRANSLATION_API_EMAIL"] = "gateway-of-tests@example.com"


def _references() -> Iterator[Fault]:
    def refer(account: Account, value_from: str) -> None:
        account.container()["secrets"].append({"name": "SMTP_PASSWORD", "valueFrom": value_from})

    gone = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway/mail-AbC1dE"
    yield Fault("no-such-secret", (Check.SECRET_EXISTS,), lambda account: refer(account, f"{gone}:SMTP_PASSWORD::"))

    def delete(account: Account) -> None:
        account.aws.client("secretsmanager").delete_secret(SecretId=account.arn, RecoveryWindowInDays=7)

    yield Fault("secret-scheduled-for-deletion", (Check.SECRET_EXISTS,), delete, running=True)
    yield Fault("no-such-key", (Check.SECRET_KEY,), lambda account: refer(account, f"{account.arn}:SMTP_PASSWORD::"))
    yield Fault(
        "no-such-stage",
        (Check.SECRET_STAGE,),
        lambda account: refer(account, f"{account.arn}:SUPABASE_URL:NEXT:"),
    )
    yield Fault(
        "no-such-version",
        (Check.SECRET_STAGE,),
        lambda account: refer(account, f"{account.arn}:SUPABASE_URL::00000000-0000-4000-8000-000000000000"),
    )
    yield Fault(
        "role-without-a-right",
        (Check.SECRET_READABLE,),
        lambda account: account.iam.delete_role_policy(RoleName="gateway-execution", PolicyName="secrets"),
        running=True,
    )
    yield Fault(
        "role-that-reads-another-secret",
        (Check.SECRET_READABLE,),
        lambda account: account.allow(gone),
        running=True,
    )
    yield Fault(
        "role-that-cannot-decrypt",
        (Check.SECRET_READABLE,),
        lambda account: account.iam.detach_role_policy(RoleName="gateway-execution", PolicyArn=account.decrypt),
        running=True,
    )
    yield Fault("role-that-is-denied", (Check.SECRET_READABLE,), _deny_the_role, running=True)

    def renew(account: Account) -> None:
        text = json.dumps(account.values | {"TRANSLATION_API_PASSWORD": "another-password-by-now"})
        account.aws.client("secretsmanager").put_secret_value(SecretId=account.arn, SecretString=text)

    yield Fault("stale-tasks", (Check.STALE_TASKS,), renew, running=True, hidden=("another-password-by-now",))


def _deny_the_role(account: Account) -> None:
    statement = {"Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = account.iam.create_policy(PolicyName="no-secrets", PolicyDocument=document)["Policy"]["Arn"]
    account.iam.attach_role_policy(RoleName="gateway-execution", PolicyArn=made)


def _isolation() -> Iterator[Fault]:
    def on_instances(account: Account, **parts: object) -> None:
        """Run it on instances, since Fargate has no host to share."""
        account.document.update({"requiresCompatibilities": ["EC2"]} | parts)
        account.service["launchType"] = "EC2"

    for mode in ("host", "bridge"):
        yield Fault(
            f"network-mode-{mode}",
            (Check.NETWORK_MODE,),
            lambda account, mode=mode: on_instances(account, networkMode=mode),
        )
    yield Fault("public-ip", (Check.PUBLIC_IP,), lambda account: account.network.update(assignPublicIp="ENABLED"))

    def route(account: Account, **destination: str) -> None:
        account.ec2.delete_route(RouteTableId=account.private_routes, DestinationCidrBlock=EVERYBODY)
        account.ec2.create_route(RouteTableId=account.private_routes, GatewayId=account.gateway, **destination)

    yield Fault(
        "public-subnet",
        (Check.PUBLIC_SUBNET,),
        lambda account: route(account, DestinationCidrBlock=EVERYBODY),
        running=True,
    )
    yield Fault(
        "public-subnet-for-ipv6",
        (Check.PUBLIC_SUBNET,),
        lambda account: route(account, DestinationIpv6CidrBlock="::/0"),
        running=True,
    )
    yield Fault("public-subnet-by-the-main-table", (Check.PUBLIC_SUBNET,), _by_the_main_table)
    yield Fault(
        "one-public-subnet",
        (Check.PUBLIC_SUBNET,),
        lambda account: account.network.update(subnets=[account.private[0], account.public[1]]),
    )
    for name, source in (
        ("everybody", {"IpRanges": [{"CidrIp": EVERYBODY}]}),
        ("everybody-by-ipv6", {"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}),
        ("addresses-of-the-internet", {"IpRanges": [{"CidrIp": "8.8.4.0/24"}]}),
        ("everything", {"IpRanges": [{"CidrIp": EVERYBODY}], "IpProtocol": "-1"}),
    ):
        yield Fault(
            f"security-group-for-{name}",
            (Check.OPEN_SECURITY_GROUP,),
            lambda account, source=source: account.let_in(account.group, **source),
            running=True,
        )
    for name, parts in (("processes", {"pidMode": "host"}), ("memory", {"ipcMode": "host"})):
        yield Fault(
            f"host-{name}", (Check.HOST_NAMESPACE,), lambda account, parts=parts: on_instances(account, **parts)
        )

    def may(account: Account, **rights: object) -> None:
        on_instances(account)
        account.container().update(rights)

    capabilities = {"capabilities": {"add": ["SYS_ADMIN"]}}
    yield Fault("privileged", (Check.PRIVILEGED,), lambda account: may(account, privileged=True))
    yield Fault("almighty", (Check.PRIVILEGED,), lambda account: may(account, linuxParameters=capabilities))


def _by_the_main_table(account: Account) -> None:
    """Run it in a subnet that nobody has given a route table, so that the network's main one counts."""
    ec2, where = account.ec2, {"Name": "vpc-id", "Values": [account.vpc]}
    main = {"Name": "association.main", "Values": ["true"]}
    [table] = ec2.describe_route_tables(Filters=[where, main])["RouteTables"]
    ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock=EVERYBODY, GatewayId=account.gateway)
    subnet = ec2.create_subnet(VpcId=account.vpc, CidrBlock="10.0.99.0/24")["Subnet"]["SubnetId"]
    account.network.update(subnets=[subnet])


def _connections() -> Iterator[Fault]:
    inside = {
        "RABBITMQ_URL": f"amqp://gateway:{PASSWORD}@rabbitmq.internal:5672/",
        "REDIS_URL": f"redis://:{PASSWORD}@redis.internal:6379/0",
        "CACHE_URL": f"rediss://:{PASSWORD}@redis.internal:6379/1?ssl_cert_reqs=none",
        "SUPABASE_DB_URL": f"postgresql://gateway:{PASSWORD}@db.internal/postgres?sslmode=disable",
    }
    yield Fault(
        "connections-in-the-secret",
        (Check.CONNECTION_URL,),
        lambda account: account.values.update(inside),
        names=tuple(f"key {name}" for name in inside),
        hidden=(PASSWORD, *inside.values()),
    )
    plain = dict.fromkeys(("CHROMA_URL", "MODEL_API_URL"), "http://service.internal:8000")
    yield Fault(
        "connections-in-the-clear",
        (Check.CONNECTION_URL,),
        lambda account: account.environment.update(plain),
        names=tuple(f"environment {name}" for name in plain),
    )


def _listeners() -> Iterator[Fault]:
    def delete(account: Account, *protocols: str) -> None:
        for protocol in protocols:
            account.elb.delete_listener(ListenerArn=account.listener(protocol))

    yield Fault("no-https-listener", (Check.HTTPS_LISTENER,), lambda account: delete(account, "HTTPS"), running=True)
    yield Fault("no-listener", (Check.HTTPS_LISTENER,), lambda account: delete(account, "HTTPS", "HTTP"), running=True)
    yield Fault("http-listener-that-forwards", (Check.HTTP_REDIRECT,), _forward, running=True)
    yield Fault("http-listener-with-a-rule-that-forwards", (Check.HTTP_REDIRECT,), _forward_by_rule, running=True)
    yield Fault("redirect-that-stays-with-http", (Check.HTTP_REDIRECT,), _redirect_to_http, running=True)
    for policy in ("ELBSecurityPolicy-2016-08", "ELBSecurityPolicy-TLS-1-1-2017-01"):
        yield Fault(
            policy,
            (Check.TLS_POLICY,),
            lambda account, policy=policy: account.elb.modify_listener(
                ListenerArn=account.listener("HTTPS"), SslPolicy=policy
            ),
            running=True,
        )


def _forward(account: Account) -> None:
    account.elb.modify_listener(ListenerArn=account.listener("HTTP"), DefaultActions=account.forward)


def _forward_by_rule(account: Account) -> None:
    path = {"Field": "path-pattern", "Values": ["/legacy/*"]}
    listener = account.listener("HTTP")
    account.elb.create_rule(ListenerArn=listener, Conditions=[path], Priority=1, Actions=account.forward)


def _redirect_to_http(account: Account) -> None:
    redirect = {"Host": "www.example.com", "Protocol": "#{protocol}", "StatusCode": "HTTP_302"}
    account.elb.modify_listener(
        ListenerArn=account.listener("HTTP"), DefaultActions=[{"Type": "redirect", "RedirectConfig": redirect}]
    )


def _volumes() -> Iterator[Fault]:
    def old_volume(account: Account) -> None:
        """Make a volume as it was made before the region's default was switched on."""
        account.ec2.disable_ebs_encryption_by_default()
        account.instance_with_volume(encrypted=False)
        account.ec2.enable_ebs_encryption_by_default()

    yield Fault("ebs-volume", (Check.EBS_VOLUME,), old_volume, running=True)
    yield Fault(
        "ebs-default",
        (Check.EBS_DEFAULT,),
        lambda account: account.ec2.disable_ebs_encryption_by_default(),
        running=True,
    )
    yield Fault("ecs-volume", (Check.ECS_VOLUME,), lambda account: account.volume.update(encrypted=False))
    yield Fault("ecs-volume-by-default", (Check.EBS_DEFAULT, Check.ECS_VOLUME), _neither_by_default_nor_by_itself)

    def transit(account: Account, **options: str) -> None:
        account.document["volumes"][0]["efsVolumeConfiguration"] = {"fileSystemId": account.file_system, **options}

    yield Fault("efs-transit", (Check.EFS_TRANSIT,), lambda account: transit(account, transitEncryption="DISABLED"))
    yield Fault("efs-transit-by-default", (Check.EFS_TRANSIT,), transit)
    yield Fault("efs-at-rest", (Check.EFS_AT_REST,), _unencrypted_file_system)


def _neither_by_default_nor_by_itself(account: Account) -> None:
    account.ec2.disable_ebs_encryption_by_default()
    account.volume.pop("encrypted")


def _unencrypted_file_system(account: Account) -> None:
    made = account.aws.client("efs").create_file_system(CreationToken="old", Encrypted=False)["FileSystemId"]
    account.document["volumes"][0]["efsVolumeConfiguration"]["fileSystemId"] = made


def _switches() -> Iterator[Fault]:
    switch = {"SUPABASE_ALLOW_UNCONFIRMED": "true"}
    yield Fault(
        "unconfirmed-in-the-clear", (Check.ALLOW_UNCONFIRMED,), lambda account: account.environment.update(switch)
    )
    yield Fault("unconfirmed-in-the-secret", (Check.ALLOW_UNCONFIRMED,), lambda account: account.values.update(switch))
    demo = {"SUPABASE_JWT_SECRET": DEMO_SECRET, "SUPABASE_ANON_KEY": DEMO_KEY}
    yield Fault(
        "demo-keys",
        (Check.DEMO_SECRET,),
        lambda account: account.values.update(demo),
        names=tuple(f"key {name}" for name in demo),
        hidden=tuple(demo.values()),
    )


def doubts() -> Iterator[Fault]:
    """Yield what can't be told of, though AWS answers: nobody looks there, or AWS says too little."""
    in_values = (Check.PLAIN_SECRET, Check.CONNECTION_URL, Check.ALLOW_UNCONFIRMED, Check.DEMO_SECRET)

    def container(name: str, *checks: Check, **parts: object) -> Fault:
        return Fault(name, checks, lambda account: account.container().update(parts))

    bucket = [{"type": "s3", "value": "arn:aws:s3:::settings/gateway.env"}]
    yield container("env-files-in-a-bucket", *in_values, environmentFiles=bucket)
    yield container("image-of-another-registry", Check.IMAGE_ENV, image="docker.io/library/gateway:1.0.0")
    yield container("image-that-is-gone", Check.IMAGE_ENV, image=f"{_REGISTRY}/gateway:0.9.9")

    def parameter(account: Account) -> None:
        arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/gateway/smtp"
        account.container()["secrets"].append({"name": "SMTP_PASSWORD", "valueFrom": arn})

    yield Fault("parameter-of-systems-manager", (Check.SECRET_EXISTS,), parameter)

    def prefix_list(account: Account) -> None:
        made = account.ec2.create_managed_prefix_list(
            PrefixListName="offices", MaxEntries=1, AddressFamily="IPv4", Entries=[{"Cidr": EVERYBODY}]
        )["PrefixList"]["PrefixListId"]
        account.let_in(account.group, PrefixListIds=[{"PrefixListId": made}])

    yield Fault("prefix-list", (Check.OPEN_SECURITY_GROUP,), prefix_list, running=True)

    def no_object(account: Account) -> None:
        text = "RABBITMQ_URL=amqp://in-no-form-that-anybody-reads"
        account.aws.client("secretsmanager").create_secret(Name="mail", SecretString=text)
        arn = account.aws.client("secretsmanager").describe_secret(SecretId="mail")["ARN"]
        account.container()["secrets"].append({"name": "MAIL", "valueFrom": arn})
        account.further.append(arn)

    in_secrets = (Check.CONNECTION_URL, Check.ALLOW_UNCONFIRMED, Check.DEMO_SECRET)
    yield Fault("secret-without-names", in_secrets, no_object)


FAULTS: Final = tuple(faults())
DOUBTS: Final = tuple(doubts())
