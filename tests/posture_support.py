"""An AWS account in which every promise of the security page holds: the example's gateway, as it should run.

It is built in two steps, so that tests can plant faults in between (tests/posture_faults.py) and afterwards.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from aws_support import EXAMPLE, SECRET, VALUES
from strict_aws import ACCOUNT, REGION, StrictAws, given_service

MODERN: Final = "ELBSecurityPolicy-TLS13-1-2-2021-06"
REPOSITORY: Final = "gateway"
TAG: Final = "1.0.0"
EVERYBODY: Final = "0.0.0.0/0"
_ZONES: Final = ("eu-west-1a", "eu-west-1b")


@dataclass
class Account:
    """What will run, until `deploy`; then, what runs. Everything else is there from the beginning."""

    aws: StrictAws = field(repr=False)
    values: dict[str, str] = field(default_factory=lambda: dict(VALUES), repr=False)
    """What the secret will hold."""
    environment: dict[str, str] = field(
        default_factory=lambda: {
            "CHROMA_URL": "https://chroma.internal:8443",
            "MODEL_API_URL": "https://model.internal:8443/v1",
            "MODEL_NAME": "agents-large",
        }
    )
    """What stands in the task definition as plain values."""
    service: dict[str, Any] = field(default_factory=lambda: {"desired": 2})
    """What the service gets besides."""

    further: list[str] = field(default_factory=list)
    """ARNs of other secrets that the role may read."""

    def __post_init__(self) -> None:
        """Build all that the service will lean on."""
        self.ec2, self.elb, self.iam = (self.aws.client(name) for name in ("ec2", "elbv2", "iam"))
        self._network()
        self._load_balancer()
        self._storage()
        self.role = self.iam.create_role(RoleName="gateway-execution", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self.image()
        # Fargate's: a group of its own, private subnets.
        self.network = {"subnets": self.private, "securityGroups": [self.group], "assignPublicIp": "DISABLED"}
        self.volume: dict[str, Any] = {"roleArn": self.role, "sizeInGiB": 8, "encrypted": True}

    @cached_property
    def arn(self) -> str:
        """ARN of the secret, which is made when it is asked for."""
        self.key = self.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
        text = json.dumps(self.values)
        made = self.aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=text, KmsKeyId=self.key)
        return str(made["ARN"])

    @cached_property
    def document(self) -> dict[str, Any]:
        """The task definition of the example, with references to the secret and two volumes."""
        document: dict[str, Any] = json.loads((EXAMPLE / "task-definition.json").read_text())
        self.container(document)["secrets"] = [
            {"name": name, "valueFrom": f"{self.arn}:{name}::"} for name in sorted(self.values)
        ]
        document["volumes"] = [
            {
                "name": "shared",
                "efsVolumeConfiguration": {"fileSystemId": self.file_system, "transitEncryption": "ENABLED"},
            },
            {"name": "scratch", "configuredAtLaunch": True},
        ]
        return document

    def container(self, document: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the gateway's container of the task definition."""
        container = (document or self.document)["containerDefinitions"][0]
        assert isinstance(container, dict)
        return container

    def deploy(self) -> str:
        """Give the role its rights and run the gateway; return the revision's ARN."""
        self.container()["environment"] = [{"name": name, "value": value} for name, value in self.environment.items()]
        self.allow(self.arn, *self.further)
        document = _allowing("kms:Decrypt", self.key)
        self.decrypt = self.iam.create_policy(PolicyName="decrypt", PolicyDocument=document)["Policy"]["Arn"]
        self.iam.attach_role_policy(RoleName="gateway-execution", PolicyArn=self.decrypt)
        return self.run("gateway")

    def run(self, name: str) -> str:
        """Register the task definition as it is, run a service, and return the revision's ARN."""
        options: dict[str, Any] = {}
        if self.document["networkMode"] == "awsvpc":
            options["networkConfiguration"] = {"awsvpcConfiguration": self.network}
        if self.document["volumes"]:
            options["volumeConfigurations"] = [{"name": "scratch", "managedEBSVolume": self.volume}]
        balancers = [{"targetGroupArn": self.target_group, "containerName": "gateway", "containerPort": 8000}]
        return given_service(
            self.aws, name, document=self.document, loadBalancers=balancers, **(options | self.service)
        )

    def allow(self, *secrets: str) -> None:
        """Let the execution role read secrets, and no others; whether it may decrypt is another policy's matter."""
        document = _allowing("secretsmanager:GetSecretValue", *secrets)
        self.iam.put_role_policy(RoleName="gateway-execution", PolicyName="secrets", PolicyDocument=document)

    def image(self, tag: str = TAG, **environment: str) -> str:
        """Push an image with what every image has in its environment, and more; return how it is referred to."""
        path = "/usr/local/bin:/usr/local/sbin:/usr/bin"
        self.aws.have_image(REPOSITORY, tag, PATH=path, PYTHON_VERSION="3.12.7", LANG="C.UTF-8", **environment)
        return f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{REPOSITORY}:{tag}"

    def instance_with_volume(self, *, encrypted: bool) -> str:
        """Run an instance, and return the id of its volume."""
        disk = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "Encrypted": encrypted}}
        [instance] = self.ec2.run_instances(
            ImageId="ami-12345678",
            MinCount=1,
            MaxCount=1,
            SubnetId=self.private[0],
            InstanceType="t3.micro",
            BlockDeviceMappings=[disk],
        )["Instances"]
        attached = {"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}
        return str(self.ec2.describe_volumes(Filters=[attached])["Volumes"][0]["VolumeId"])

    def listener(self, protocol: str) -> str:
        """Return the ARN of the load balancer's listener of a protocol."""
        listeners = self.elb.describe_listeners(LoadBalancerArn=self.balancer)["Listeners"]
        return str(next(each["ListenerArn"] for each in listeners if each["Protocol"] == protocol))

    @property
    def forward(self) -> list[dict[str, str]]:
        """A listener's action: on to the gateway."""
        return [{"Type": "forward", "TargetGroupArn": self.target_group}]

    def _network(self) -> None:
        """A network with private and public subnets; the private ones lead out through a NAT gateway."""
        ec2 = self.ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        self.public = [self._subnet(number, zone) for number, zone in enumerate(_ZONES)]
        self.private = [self._subnet(number, zone) for number, zone in enumerate(_ZONES, start=16)]
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=self.public[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
        self._routes(self.public, GatewayId=self.gateway)
        self.private_routes = self._routes(self.private, NatGatewayId=nat)
        self.front = self._group("front", IpRanges=[{"CidrIp": EVERYBODY}])
        self.group = self._group("gateway", UserIdGroupPairs=[{"GroupId": self.front}])

    def _subnet(self, number: int, zone: str) -> str:
        block = f"10.0.{number}.0/24"
        made = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=block, AvailabilityZone=zone)
        return str(made["Subnet"]["SubnetId"])

    def _routes(self, subnets: list[str], **target: str) -> str:
        table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock=EVERYBODY, **target)
        for subnet in subnets:
            self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        return str(table)

    def _group(self, name: str, **source: Any) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        self.let_in(made, **source)
        return str(made)

    def let_in(self, group: str, **source: Any) -> None:
        """Add a rule to a security group."""
        permission = {"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8000, **source}
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])

    def _load_balancer(self) -> None:
        """An HTTPS listener, and one of HTTP that redirects to it."""
        elb = self.elb
        self.balancer = elb.create_load_balancer(Name="front", Subnets=self.public, SecurityGroups=[self.front])[
            "LoadBalancers"
        ][0]["LoadBalancerArn"]
        self.target_group = elb.create_target_group(
            Name="gateway", Protocol="HTTP", Port=8000, VpcId=self.vpc, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        certificate = self.aws.client("acm").request_certificate(DomainName="api.example.com")["CertificateArn"]
        elb.create_listener(
            LoadBalancerArn=self.balancer,
            Protocol="HTTPS",
            Port=443,
            SslPolicy=MODERN,
            Certificates=[{"CertificateArn": certificate}],
            DefaultActions=self.forward,
        )
        redirect = {
            "Type": "redirect",
            "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
        }
        elb.create_listener(LoadBalancerArn=self.balancer, Protocol="HTTP", Port=80, DefaultActions=[redirect])

    def _storage(self) -> None:
        """Encrypted volumes of every kind."""
        self.ec2.enable_ebs_encryption_by_default()
        self.instance_with_volume(encrypted=True)
        made = self.aws.client("efs").create_file_system(CreationToken="shared", Encrypted=True)
        self.file_system = made["FileSystemId"]


def _allowing(action: str, *resources: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": list(resources)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def sound_account(aws: StrictAws) -> Account:
    """Return the account, with the gateway running in it."""
    account = Account(aws)
    account.deploy()
    return account
