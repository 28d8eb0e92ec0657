"""What watches the service: monitors, the dashboard, and that two releases are told apart."""

import json

from tests.chart.helm import CHART
from tests.chart.rendered import CONSUMER


def dashboard(objects):
    (found,) = (each for each in objects if each["metadata"]["name"].endswith("-dashboard"))
    (text,) = found["data"].values()
    return json.loads(text)


def test_the_dashboard_is_the_one_that_was_tested_but_for_whose_it_is(render):
    rendered = dashboard(render("everything").values())
    source = json.loads((CHART / "files" / "dashboard.json").read_text())
    assert rendered["panels"] == source["panels"]
    variables = {each["name"]: each for each in rendered["templating"]["list"]}
    assert variables["namespace"]["current"] == {"text": "jobs", "value": "jobs"}
    assert variables["pod"]["allValue"] == "x-job-submission-(ingress|consumer|watcher)-[0-9a-z]+(-[0-9a-z]{5})?"
    for panel in source["panels"]:
        for target in panel["targets"]:
            metrics = target["expr"].count("{namespace=~")
            assert metrics == target["expr"].count('{namespace=~"$namespace", pod=~"$pod"') > 0


def test_two_releases_have_two_dashboards(template):
    sets = [
        part
        for one in ("image.repository=i", "kafka.bootstrapServers=k:1", "monitoring.dashboard.enabled=true")
        for part in ("--set", one)
    ]
    found = [
        dashboard(template(name, "--namespace", namespace, *sets))
        for name, namespace in (("x", "a"), ("x", "b"), ("y", "a"))
    ]
    assert len({each["uid"] for each in found}) == len({each["title"] for each in found}) == 3
    assert all(len(each["uid"]) <= 40 for each in found)  # Grafana's limit


def test_both_monitors_scrape_the_metrics_port_as_they_are_told(render):
    rendered = render("operators")
    pods = rendered["PodMonitor", "x-job-submission"]
    assert pods["metadata"]["labels"]["release"] == "prometheus"
    assert pods["spec"]["podMetricsEndpoints"] == [
        {
            "port": "metrics",
            "path": "/metrics",
            "interval": "30s",
            "relabelings": [{"targetLabel": "cluster", "replacement": "one"}],
        }
    ]
    services = rendered["ServiceMonitor", "x-job-submission"]
    assert services["metadata"]["annotations"] == {"example.com/a": "1"}
    assert services["spec"]["endpoints"] == [
        {
            "port": "metrics",
            "path": "/metrics",
            "interval": "30s",
            "scrapeTimeout": "10s",
            "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "python_.*"}],
        }
    ]


def test_the_monitors_choose_the_pods_of_the_service_and_no_others(render):
    rendered = render("operators")
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"]
        for (kind, name), each in rendered.items()
        if kind in ("Deployment", "StatefulSet", "Job")
    }
    selector = rendered["PodMonitor", "x-job-submission"]["spec"]["selector"]
    (expression,) = selector["matchExpressions"]
    chosen = {
        name
        for name, of in labels.items()
        if selector["matchLabels"].items() <= of.items() and of[expression["key"]] in expression["values"]
    }
    assert chosen == {"x-job-submission-ingress", "x-job-submission-consumer", "x-job-submission-watcher"}
    # the ServiceMonitor finds one Service, which leads to the pods with a metrics port
    wanted = rendered["ServiceMonitor", "x-job-submission"]["spec"]["selector"]["matchLabels"]
    (service,) = (
        each
        for (kind, _), each in rendered.items()
        if kind == "Service" and wanted.items() <= each["metadata"]["labels"].items()
    )
    assert service["spec"]["ports"] == [{"name": "metrics", "port": 9090, "targetPort": "metrics"}]
    assert {name for name, of in labels.items() if service["spec"]["selector"].items() <= of.items()} >= chosen


def test_annotations_tell_a_prometheus_without_its_operator(render):
    def annotations(*sets):
        return render("minimal", *sets)[CONSUMER]["spec"]["template"]["metadata"]["annotations"].keys()

    told = {"prometheus.io/scrape", "prometheus.io/port", "prometheus.io/path"}
    assert annotations() == {"checksum/settings"}
    assert annotations("monitoring.scrapeAnnotations=true", "networkPolicy.enabled=false") == {
        "checksum/settings",
        *told,
    }
