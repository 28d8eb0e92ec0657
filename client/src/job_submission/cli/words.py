"""A command whose line has words behind `--`, and one job's name as a positional argument or a flag."""

from collections.abc import Iterator
from typing import Any, Final

import click

from job_submission.cli.flags import COMBINED, COMMAND, FLAGS, Flag, job_of, without_equal_signs

WORDS: Final = "words"


class WithWords(click.Command):
    """Keeps what stands behind the first `--` apart, which click would take for positional arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before `--`; see `click.Command.parse_args`."""
        before, words = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        ctx.meta[WORDS] = words
        options = [each for each in self.params if isinstance(each, click.Option)]
        valued = {word for each in options if not each.is_flag and each.name != COMMAND.key for word in each.opts}
        return super().parse_args(ctx, without_equal_signs(before, valued))


def submission_options() -> Iterator[click.Parameter]:
    """Yield the positional name and every flag of a submission."""
    yield click.Argument(["positional"], metavar="[NAME]", required=False)
    for flag in (*FLAGS, *COMBINED):
        yield click.Option([flag.key, *_spelt(flag)], help=flag.help, **_kind(flag))
    yield click.Option(
        [COMMAND.key, *COMMAND.spellings], is_flag=False, flag_value="", metavar="[TEXT]", help=COMMAND.help
    )


def job_from(ctx: click.Context, values: dict[str, Any], project: str | None) -> dict[str, Any]:
    """Take the flags of a submission out of `values`, and return the job's parameters; `project` where none is given.

    Raises click.UsageError.
    """
    given = {flag.key: values.pop(flag.key) for flag in (*FLAGS, *COMBINED, COMMAND)}
    positional = values.pop("positional")
    if positional is not None:
        if given["name"] is not None:
            raise click.UsageError("give the name once: before the flags or with --name")
        given["name"] = positional
    given["project"] = given["project"] or project
    try:
        return job_of(given, ctx.meta[WORDS])
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _spelt(flag: Flag) -> list[str]:
    """Return the spellings as click takes them: those of a switch with their denials."""
    if flag.read is not None:
        return list(flag.spellings)
    *short, long = flag.spellings
    return [*short, f"{long}/--no-{long[2:]}"]


def _kind(flag: Flag) -> dict[str, Any]:
    if flag.read is None:
        return {"default": None}
    return {"multiple": flag.is_repeated, "callback": _reading(flag)}


def _reading(flag: Flag) -> Any:
    read = flag.read or str

    def callback(_: click.Context, __: click.Parameter, value: Any) -> Any:
        try:
            return tuple(map(read, value)) if flag.is_repeated else value and read(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback
