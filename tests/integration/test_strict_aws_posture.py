"""The stand-in for AWS beyond ECS and Secrets Manager: networks, load balancers, volumes, roles and images."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from strict_aws import ACCOUNT, CLUSTER, ROLE, StrictAws, given_service
from strict_aws.paging import PAGES


@contextmanager
def refused(code: str, message: str = "") -> Iterator[None]:
    """Expect AWS's refusal."""
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code
    assert message in caught.value.response["Error"]["Message"]


@pytest.fixture
def recorded(aws: StrictAws) -> Iterator[Any]:
    """A maker of clients that are recorded and troubled, as those of the program are."""
    made = []

    def client(service: str) -> Any:
        made.append(
            boto3.client(
                service,
                region_name=aws.environ["AWS_REGION"],
                endpoint_url=aws.url,
                aws_access_key_id=aws.environ["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=aws.environ["AWS_SECRET_ACCESS_KEY"],
                config=Config(retries={"total_max_attempts": 1}),
            )
        )
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def subnet(aws: StrictAws) -> str:
    """A subnet of a network of its own."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"])


@pytest.fixture
def balancer(aws: StrictAws, subnet: str) -> str:
    """A load balancer with an HTTP and an HTTPS listener."""
    elb = aws.client("elbv2")
    arn = elb.create_load_balancer(Name="front", Subnets=[subnet])["LoadBalancers"][0]["LoadBalancerArn"]
    certificate = aws.client("acm").request_certificate(DomainName="example.com")["CertificateArn"]
    actions = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]
    elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=actions)
    elb.create_listener(
        LoadBalancerArn=arn,
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": certificate}],
        DefaultActions=actions,
    )
    return str(arn)


def members(answer: Any) -> list[str]:
    """Return an answer's list, in a form to compare; the size of a file system has the time of the look."""
    [listed] = [value for value in answer.values() if isinstance(value, list)]
    for each in listed:
        if isinstance(each, dict):
            each.pop("SizeInBytes", None)
    return [json.dumps(each, default=str, sort_keys=True) for each in listed]


class TestPages:
    """Lists that come in pages."""

    @pytest.mark.parametrize(
        ("service", "operation", "more"),
        [
            ("ec2", "describe_subnets", {}),
            ("ec2", "describe_security_groups", {"MaxResults": 5}),
            ("elbv2", "describe_listeners", {}),
            ("elbv2", "describe_ssl_policies", {}),
            ("ecs", "list_services", {"cluster": CLUSTER}),
            ("ecs", "list_tasks", {"cluster": CLUSTER}),
            ("efs", "describe_file_systems", {}),
            ("iam", "list_role_policies", {"RoleName": "gateway"}),
        ],
    )
    def test_the_pages_together_are_the_list(
        self, aws: StrictAws, recorded: Any, balancer: str, service: str, operation: str, more: dict[str, Any]
    ) -> None:
        """Nothing twice, nothing left out, and more than one page."""
        for name in ("one", "two"):
            given_service(aws, name)
        for token in ("a", "b"):
            aws.client("efs").create_file_system(CreationToken=token)
        iam = aws.client("iam")
        iam.create_role(RoleName="gateway", AssumeRolePolicyDocument="{}")
        for name in ("one", "two"):
            allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
            document = json.dumps({"Version": "2012-10-17", "Statement": allow})
            iam.put_role_policy(RoleName="gateway", PolicyName=name, PolicyDocument=document)
        if operation == "describe_listeners":
            more = {"LoadBalancerArn": balancer}
        client = recorded(service)
        whole = members(getattr(client, operation)(**more))
        aws.page = 1
        first, pages, answer = dict(more), [], {}
        names = PAGES[client.meta.method_to_api_mapping[operation]]
        asked, following = names.token, names.following
        if service == "ec2":
            following = "NextToken"
        while True:
            answer = getattr(client, operation)(**more)
            pages.append(members(answer))
            if not answer.get(following):
                break
            more = first | {asked: answer[following]}
        assert all(len(page) == 1 for page in pages)
        assert len(pages) > 1
        assert [page[0] for page in pages] == whole

    def test_a_list_of_services_has_ten_on_a_page(self, aws: StrictAws) -> None:
        """Unless more are asked for."""
        for number in range(12):
            given_service(aws, f"service-{number}", desired=0)
        ecs = aws.client("ecs")
        answer = ecs.list_services(cluster=CLUSTER)
        assert len(answer["serviceArns"]) == 10
        assert len(ecs.list_services(cluster=CLUSTER, nextToken=answer["nextToken"])["serviceArns"]) == 2
        assert len(ecs.list_services(cluster=CLUSTER, maxResults=100)["serviceArns"]) == 12

    def test_what_is_named_comes_without_pages(self, recorded: Any, aws: StrictAws, subnet: str) -> None:
        """And the two can't be asked for together."""
        aws.page = 1
        ec2 = recorded("ec2")
        every = [each["SubnetId"] for each in aws.client("ec2").describe_subnets()["Subnets"]]
        assert len(every) > 1
        assert "NextToken" not in ec2.describe_subnets(SubnetIds=every)
        with refused("InvalidParameterCombination"):
            ec2.describe_subnets(SubnetIds=every, MaxResults=5)


class TestLimits:
    """What asks for too much."""

    def test_a_filter_has_200_values_at_most(self, aws: StrictAws) -> None:
        """More are refused."""
        ec2, values = aws.client("ec2"), [f"subnet-{number}" for number in range(201)]
        assert ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": values[:200]}])["Subnets"] == []
        with refused("FilterLimitExceeded"):
            ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": values}])

    @pytest.mark.parametrize(("operation", "most"), [("describe_route_tables", 100), ("describe_volumes", 1000)])
    def test_a_page_has_a_largest_size(self, aws: StrictAws, operation: str, most: int) -> None:
        """It isn't the same everywhere."""
        ask = getattr(aws.client("ec2"), operation)
        ask(MaxResults=most)
        with refused("InvalidParameterValue", f"between 5 and {most}"):
            ask(MaxResults=most + 1)

    def test_twenty_load_balancers_can_be_named(self, aws: StrictAws, balancer: str) -> None:
        """More are refused."""
        with refused("ValidationError"):
            aws.client("elbv2").describe_load_balancers(LoadBalancerArns=[balancer] * 21)


class TestDenials:
    """Operations that the operator may not use."""

    @pytest.mark.parametrize(
        ("action", "method", "code"),
        [
            ("ec2:DescribeVolumes", "describe_volumes", "UnauthorizedOperation"),
            ("elasticloadbalancing:DescribeLoadBalancers", "describe_load_balancers", "AccessDenied"),
            ("elasticfilesystem:DescribeFileSystems", "describe_file_systems", "AccessDeniedException"),
            ("ecs:ListClusters", "list_clusters", "AccessDeniedException"),
            ("iam:ListRoles", "list_roles", "AccessDenied"),
        ],
    )
    def test_each_service_says_it_its_own_way(
        self, aws: StrictAws, recorded: Any, action: str, method: str, code: str
    ) -> None:
        """The code differs, the words don't, and it stays so."""
        aws.deny(action)
        service = {"elasticloadbalancing": "elbv2", "elasticfilesystem": "efs"}
        client = recorded(service.get(action.partition(":")[0], action.partition(":")[0]))
        for _ in range(2):
            with refused(code, f"is not authorized to perform: {action} because no identity-based policy allows"):
                getattr(client, method)()
        assert [f"{call.service}:{call.operation}" for call in aws.calls] == [action] * 2
        assert {call.outcome for call in aws.calls} == {code}


class TestLoadBalancers:
    """Elastic Load Balancing."""

    def test_only_listeners_with_tls_have_a_policy(self, aws: StrictAws, balancer: str) -> None:
        """A listener that speaks HTTP is given none."""
        listeners = aws.client("elbv2").describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        assert {each["Protocol"]: "SslPolicy" in each for each in listeners} == {"HTTP": False, "HTTPS": True}

    def test_policies_that_nobody_has_are_refused(self, aws: StrictAws) -> None:
        """Those that exist say which protocols they accept."""
        elb = aws.client("elbv2")
        with refused("SSLPolicyNotFound", "no-such-policy"):
            elb.describe_ssl_policies(Names=["no-such-policy"])
        [found] = elb.describe_ssl_policies(Names=["ELBSecurityPolicy-TLS13-1-2-2021-06"])["SslPolicies"]
        assert set(found["SslProtocols"]) == {"TLSv1.2", "TLSv1.3"}


class TestServices:
    """What ECS says of networks and volumes."""

    @pytest.mark.parametrize("public", [True, False])
    def test_a_task_has_an_interface_in_the_subnet(self, aws: StrictAws, subnet: str, public: bool) -> None:
        """With a public address, where the service wants one."""
        network = {"subnets": [subnet], "securityGroups": [], "assignPublicIp": "ENABLED" if public else "DISABLED"}
        given_service(aws, desired=1, networkConfiguration={"awsvpcConfiguration": network})
        ecs = aws.client("ecs")
        [task] = ecs.describe_tasks(cluster=CLUSTER, tasks=ecs.list_tasks(cluster=CLUSTER)["taskArns"])["tasks"]
        details = {each["name"]: each["value"] for each in task["attachments"][0]["details"]}
        assert details["subnetId"] == subnet
        ids = [details["networkInterfaceId"]]
        [found] = aws.client("ec2").describe_network_interfaces(NetworkInterfaceIds=ids)["NetworkInterfaces"]
        assert ("PublicIp" in found.get("Association", {})) == public

    def test_deployments_tell_of_volumes_and_networks(self, aws: StrictAws, subnet: str) -> None:
        """The service itself says nothing of volumes."""
        volumes = [{"name": "data", "managedEBSVolume": {"roleArn": ROLE, "encrypted": False}}]
        network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [], "assignPublicIp": "DISABLED"}}
        given_service(aws, volumeConfigurations=volumes, networkConfiguration=network)
        ecs = aws.client("ecs")
        [service] = ecs.describe_services(cluster=CLUSTER, services=["gateway"])["services"]
        [deployment] = service["deployments"]
        assert deployment["volumeConfigurations"] == volumes
        assert deployment["networkConfiguration"] == network
        assert "volumeConfigurations" not in service
        volumes[0]["managedEBSVolume"] = {"roleArn": ROLE, "encrypted": True}
        ecs.update_service(cluster=CLUSTER, service="gateway", volumeConfigurations=volumes)
        [service] = ecs.describe_services(cluster=CLUSTER, services=["gateway"])["services"]
        assert service["deployments"][0]["volumeConfigurations"] == volumes


class TestRoles:
    """IAM's simulator."""

    def test_a_deny_wins_over_what_is_allowed(self, aws: StrictAws) -> None:
        """What nothing allows is denied as well; policies of both kinds count."""
        iam = aws.client("iam")
        role = iam.create_role(RoleName="gateway", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        prefix = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:"
        deny = {"Effect": "Deny", "Action": "SECRETSMANAGER:Get*", "Resource": [f"{prefix}root*"]}
        allow = [{"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": f"{prefix}*"}]
        made = iam.create_policy(
            PolicyName="no-root", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": deny})
        )
        iam.attach_role_policy(RoleName="gateway", PolicyArn=made["Policy"]["Arn"])
        document = json.dumps({"Version": "2012-10-17", "Statement": allow})
        iam.put_role_policy(RoleName="gateway", PolicyName="read", PolicyDocument=document)
        answer = iam.simulate_principal_policy(
            PolicySourceArn=role,
            ActionNames=["secretsmanager:GetSecretValue", "kms:Decrypt"],
            ResourceArns=[f"{prefix}gateway", f"{prefix}root-1"],
        )
        assert [each["EvalDecision"] for each in answer["EvaluationResults"]] == [
            "allowed", "explicitDeny", "implicitDeny", "implicitDeny",
        ]  # fmt: skip

    def test_a_role_that_nobody_has_is_refused(self, aws: StrictAws) -> None:
        """As IAM says of everything that isn't there."""
        with refused("NoSuchEntity"):
            aws.client("iam").simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=["s3:GetObject"])


class TestImages:
    """ECR."""

    def test_an_image_tells_its_environment(self, aws: StrictAws) -> None:
        """By way of its manifest and of an address that anybody may use."""
        digest = aws.have_image("gateway", "1.4.2", MODE="production")
        ecr = aws.client("ecr")
        [image] = ecr.batch_get_image(repositoryName="gateway", imageIds=[{"imageTag": "1.4.2"}])["images"]
        assert image["imageId"]["imageDigest"] == digest
        blob = json.loads(image["imageManifest"])["config"]["digest"]
        url = ecr.get_download_url_for_layer(repositoryName="gateway", layerDigest=blob)["downloadUrl"]
        with urlopen(url) as answer:  # noqa: S310 - our own server
            assert json.load(answer)["config"]["Env"] == ["MODE=production"]
        assert aws.calls[-1].service == "ecr-layers"
        assert aws.calls[-1].operation == "GET"

    def test_a_blob_that_nobody_pushed_is_refused(self, aws: StrictAws) -> None:
        """By the operation, and at the address."""
        aws.have_image("gateway", "1.4.2")
        with refused("LayersNotFoundException"):
            aws.client("ecr").get_download_url_for_layer(repositoryName="gateway", layerDigest="sha256:0")
        with pytest.raises(HTTPError) as caught:
            urlopen(f"{aws.url}/ecr-layers/gateway/sha256:0")  # noqa: S310 - our own server
        caught.value.close()
        assert caught.value.code == 404
