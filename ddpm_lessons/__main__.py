"""The command line: python -m ddpm_lessons train | sample | evaluate | data | doctor | ...

`python ddpm_lessons doctor`, which names the folder, works even where the package cannot be
imported, for want of PyTorch, say. Nothing but the standard library is needed to come so far.
"""

import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent


def start() -> int:
    """Run the command line; or, where it cannot be loaded, say why and what to do."""
    try:
        from ddpm_lessons.cli import main
    except Exception as error:  # a package is missing, too old or broken
        return without_the_rest(error)
    return main()


def without_the_rest(error: Exception) -> int:
    """The doctor's report, if that is what was asked for; else a word on it, and code 2."""
    if sys.argv[1:] != ["doctor"]:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        print(
            f"python -m ddpm_lessons: something that it needs cannot be loaded ({reason}). Is "
            f"{sys.executable} the course's Python? `{sys.executable} {HERE} doctor` says what is "
            "missing, and how to mend it.",
            file=sys.stderr,
        )
        return 2
    if "ddpm_lessons" not in sys.modules:  # its __init__ failed: do without
        package = ModuleType("ddpm_lessons")
        package.__path__ = [str(HERE)]
        sys.modules["ddpm_lessons"] = package
    from ddpm_lessons import doctor

    found = doctor.report()
    print(found)
    return int(not found.ready)


if __name__ == "__main__":
    if not __package__:  # run by its folder's name: only what lies in the folder could be imported
        sys.path.insert(0, str(HERE.parent))
    sys.exit(start())
