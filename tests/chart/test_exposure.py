"""The ways in: the Service, an Ingress or a route, and that nobody opens them to strangers unawares."""

import pytest

from tests.chart.helm import HelmError

INGRESS_ON = ("expose.ingress.enabled=true", "expose.ingress.host=jobs.example.com")
ROUTE_ON = ("expose.httpRoute.enabled=true", "expose.httpRoute.parentRefs[0].name=gateway")


@pytest.mark.parametrize(
    "outside",
    [
        INGRESS_ON,
        ROUTE_ON,
        ("service.type=LoadBalancer",),
        ("service.type=NodePort",),
        ("service.externalIPs={192.0.2.1}",),
    ],
)
def test_nothing_is_exposed_without_authentication_unless_that_is_said_too(render, outside):
    refused = r"set tokensSecret or settings\.HTTP_AUTHENTICATION, or expose\.allowUnauthenticated=true"
    for off in ((), ("settings.HTTP_AUTHENTICATION=none",), ("settings.HTTP_AUTHENTICATION=auto",)):
        with pytest.raises(HelmError, match=refused):
            render("minimal", *outside, *off)
    render("minimal", *outside, "tokensSecret=tokens")
    render("minimal", *outside, "settings.HTTP_AUTHENTICATION=kubernetes")
    render("minimal", *outside, "settings.HTTP_AUTHENTICATION=oidc")
    render("minimal", *outside, "expose.allowUnauthenticated=true")


def test_every_option_of_the_service_arrives(render):
    service = render("everything")["Service", "x-job-submission"]
    assert service["metadata"]["labels"].items() >= {"example.com/public": "false"}.items()
    assert service["metadata"]["annotations"] == {
        "example.com/contact": "platform@example.com",
        "example.com/internal": "true",
    }
    assert service["spec"] == {
        "type": "LoadBalancer",
        "loadBalancerClass": "example.com/internal",
        "loadBalancerSourceRanges": ["10.0.0.0/8"],
        "externalTrafficPolicy": "Local",
        "internalTrafficPolicy": "Cluster",
        "trafficDistribution": "PreferSameZone",
        "ipFamilyPolicy": "SingleStack",
        "ipFamilies": ["IPv4"],
        "selector": {
            "app.kubernetes.io/name": "job-submission",
            "app.kubernetes.io/instance": "x",
            "app.kubernetes.io/component": "ingress",
        },
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http", "nodePort": 30080}],
    }
    fixed = render("minimal", "service.clusterIP=10.96.0.99", "service.externalIPs={192.0.2.1}", "tokensSecret=t")
    assert fixed["Service", "x-job-submission"]["spec"]["clusterIP"] == "10.96.0.99"
    assert fixed["Service", "x-job-submission"]["spec"]["externalIPs"] == ["192.0.2.1"]


def test_the_address_families_are_those_of_every_service(render):
    sets = ("service.ipFamilyPolicy=RequireDualStack", "service.ipFamilies={IPv6,IPv4}")
    scraped = ("monitoring.serviceMonitor.enabled=true", "networkPolicy.enabled=false")
    services = [each for (kind, _), each in render("one-role", *sets, *scraped).items() if kind == "Service"]
    assert len(services) == 4
    for each in services:
        assert each["spec"]["ipFamilyPolicy"] == "RequireDualStack"
        assert each["spec"]["ipFamilies"] == ["IPv6", "IPv4"]


def test_ingress_and_route_let_the_same_paths_through(render):
    rendered = render("everything", *ROUTE_ON, "expose.httpRoute.filters[0].type=RequestMirror")
    (rule,) = rendered["Ingress", "x-job-submission"]["spec"]["rules"]
    assert [(path["path"], path["pathType"]) for path in rule["http"]["paths"]] == [
        ("/api", "Prefix"),
        ("/docs", "Prefix"),
    ]
    (rule,) = rendered["HTTPRoute", "x-job-submission"]["spec"]["rules"]
    assert rule == {
        "matches": [
            {"path": {"type": "PathPrefix", "value": "/api"}},
            {"path": {"type": "PathPrefix", "value": "/docs"}},
        ],
        "filters": [{"type": "RequestMirror"}],
        # Envoy's own would be 15 s: less than a POST waits for its outcome
        "timeouts": {"request": "130s"},
        "backendRefs": [{"name": "x-job-submission", "port": 80}],
    }
    without = render("operators", "expose.httpRoute.timeouts=null")["HTTPRoute", "x-job-submission"]
    assert "timeouts" not in without["spec"]["rules"][0]
