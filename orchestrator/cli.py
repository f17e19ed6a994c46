"""The command line: the verbs, in the order of its help, and how it ends."""

from __future__ import annotations

import sys

import typer

from orchestrator.system.namesake import namesake, stranger

if (_sentence := stranger()) is not None:  # before any of it is imported, which would fail, or half succeed
    print(f"nemo: {_sentence}", file=sys.stderr)
    sys.exit(2)

from nemo.errors import UserError
from orchestrator.system.credentials import masked
from orchestrator.system.streams import standard_streams
from orchestrator.verbs import begin, jobs, modules, results, studies

app = typer.Typer(
    name="nemo",
    help="Train networks that fall apart into modules, sweep, cut out sub-task networks, and compare every run.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for verb in (
    begin.init,
    studies.run,
    jobs.submit,
    jobs.logs,
    jobs.stop,
    studies.plan,
    studies.status,
    studies.pause,
    studies.resume,
    results.report,
    results.compare,
    modules.reuse,
    modules.derive,
    modules.compose,
    results.sync,
    results.ui,
    begin.schema,
    begin.doctor,
):
    app.command()(verb)


def main() -> None:
    """Run the command line: exit code 2 and one sentence for what the user can mend, 130 for Ctrl-C."""
    try:
        with standard_streams():
            app()
    except UserError as error:
        print(f"nemo: {masked(str(error))}", file=sys.stderr)
        sys.exit(2)
    except ImportError:
        if (sentence := namesake()) is None:
            raise
        print(f"nemo: {sentence}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemExit as end:
        # Typer turns a Ctrl-C into its Abort and exit code 1.
        if isinstance(end.__context__, typer.Abort):
            sys.exit(130)
        raise


if __name__ == "__main__":
    main()
