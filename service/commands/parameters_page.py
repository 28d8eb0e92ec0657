"""The page of the parameters and the scheduler profiles, written from their tables: `job-submission parameters`."""

from collections.abc import Iterable

from service.manifests.profiles import PROFILES, Elastic, PriorityClasses, Profile
from service.spec.fields import Parameters
from service.spec.metadata import RESERVED_DOMAINS, RESERVED_KEYS
from service.validation import JobSubmission

_HEAD = """# Parameters

What a request may say: `{"job": {<parameters>}}`. This page is generated: `job-submission parameters > docs/parameters.md`.

JSON types are strict: a number or boolean in quotes is an error, `true` is no number. An unknown parameter is an error
that names the nearest known one. All faults of a request are answered together, at most 100 of them. A body has at most
64 levels and 8,192 values (not counting what stands in strings); how many entries an array or object may have, and how
large some numbers may be, are settings (`SUBMISSION_MAX_*`, [settings](settings.md)).
"""

_MEMBERS_HEAD = """
| parameter | accepted | meaning |
|---|---|---|"""

_RESERVED = """
## Reserved keys of labels and annotations

Those of the domains {domains}, and of domains below them; and {keys}.
"""

_PROFILES_HEAD = """## Scheduler profiles

One request, several schedulers: the setting `KUBE_SCHEDULER_PROFILE` chooses what the objects look like. A queue that
does not exist is accepted all the same, and the job waits.
"""


def page() -> str:
    """Return the page of the parameters and the scheduler profiles."""
    lines = [_HEAD, "## Of a job", _MEMBERS_HEAD, *_members(JobSubmission)]
    for name, _, models in JobSubmission.members():
        for model in models:
            what = (model.__doc__ or "").partition("\n")[0]
            lines += ["", f"## Of an entry of `{name}`", "", what, _MEMBERS_HEAD, *_members(model)]
    if JobSubmission.refused:
        lines += ["", "## Known from elsewhere, and refused", "", "| parameter | answer |", "|---|---|"]
        lines += [f"| `{name}` | {sentence} |" for name, sentence in JobSubmission.refused.items()]
    lines.append(_RESERVED.format(domains=_listed(RESERVED_DOMAINS), keys=_listed(sorted(RESERVED_KEYS))))
    return "\n".join([*lines, _PROFILES_HEAD, *_profiles(), ""])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _members(model: type[Parameters]) -> list[str]:
    rows = []
    for name, field, _ in model.members():
        accepts = next(rule.accepts for rule in field.metadata if getattr(rule, "accepts", ""))
        required = " (required)" if field.is_required() else ""
        rows.append(f"| `{name}`{required} | {accepts.replace('|', chr(92) + '|')} | {field.description} |")
    return rows


def _profiles() -> list[str]:
    rows: dict[str, list[str]] = {}
    for profile in PROFILES.values():
        for what, cell in _profile(profile).items():
            rows.setdefault(what, []).append(cell)
    head = " | ".join(f"`{name}`" for name in PROFILES)
    return [
        f"| | {head} |",
        "|---" * (len(PROFILES) + 1) + "|",
        *(f"| {w} | {' | '.join(c)} |" for w, c in rows.items()),
    ]


def _profile(profile: Profile) -> dict[str, str]:
    """Return what one profile has in each row of the table."""
    where = "Job and pods" if profile.labels_pods else "the Job"
    classes, by_setting = profile.priorities, profile.priority_setting_label
    return {
        "`schedulerName`": f"`{profile.scheduler}`" if profile.scheduler else "the cluster's default",
        "created suspended": "yes" if profile.created_suspended else "no",
        "queue": f"label `{profile.queue_label}: <project>` of {where}" if profile.queue_label else "none",
        "fraction of a GPU": f"annotation `{profile.fraction_annotation}`" if profile.shares_gpus else "400",
        "priority of training": _label(classes, "training"),
        "of `interactive`": _label(classes, "session"),
        "of `interactive` and `preemptible`": _label(classes, "preemptible_session", "; a warning"),
        "of all, by a setting": f"label `{by_setting}`, `KUBE_KUEUE_PRIORITY_CLASS`" if by_setting else "none",
        "`elastic`": _elastic(profile.elastic),
        "`elastic` with `parallelism` above 1": "accepted" if profile.elastic_parallelism else "400",
    }


def _label(classes: PriorityClasses | None, which: str, otherwise: str = "") -> str:
    return f"label `{classes.label}: {getattr(classes, which)}`" if classes else f"none{otherwise}"


def _elastic(elastic: Elastic | None) -> str:
    if elastic is None:
        return "no effect; a warning"
    kind = "label" if elastic.is_label else "annotation"
    condition = ", where `parallelism` and `completions` are above 1; else a warning"
    return f"{kind} `{elastic.key}: {elastic.value}`{condition if elastic.needs_parallelism else ''}"
