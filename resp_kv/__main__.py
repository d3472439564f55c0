"""`python -m resp_kv`, which is the `resp-kv` command."""

import sys


def main() -> None:
    try:
        from resp_kv.cli.app import main as run
    except ModuleNotFoundError as error:
        print(f"resp-kv: {error.name} is not installed: run `make build` and take "
              "`.venv/bin/resp-kv`", file=sys.stderr)
        sys.exit(1)
    run()


if __name__ == "__main__":
    main()
