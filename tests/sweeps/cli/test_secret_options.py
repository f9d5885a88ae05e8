import json
import os
import subprocess
import sys

import pytest
import typer.main

from sweeps.cli import app
from sweeps.cli.secret_options import without_secrets

GROUP = typer.main.get_command(app)
URL = "postgresql://ray:S3cret@host/db"


@pytest.mark.parametrize(
    ("arguments", "kept", "secrets"),
    [
        (["list", "--store", URL, "--json"], ["list", "--json"], {"SWEEPS_STORE": URL}),
        (["ui", f"--tracking-uri={URL}"], ["ui"], {"MLFLOW_TRACKING_URI": URL}),
        (["run", "a", "--address", URL], ["run", "a"], {"RAY_ADDRESS": URL}),
        (["list", "--store", "sqlite:///a.db"], ["list", "--store", "sqlite:///a.db"], {}),
        (["list", "--store=sqlite:///a"], ["list", "--store=sqlite:///a"], {}),
        # The last one counts, as it does for the parser.
        (["list", "--store", "sqlite:///a", "--store", URL], ["list"], {"SWEEPS_STORE": URL}),
        (["list", f"--store={URL}", "--store=a"], ["list", f"--store={URL}", "--store=a"], {}),
        # What is no option of the command is for it to refuse.
        (["list", "--address", URL], ["list", "--address", URL], {}),
        (["tell", "--store", URL], ["tell", "--store", URL], {}),
        (["list", "--store"], ["list", "--store"], {}),
        (["score", "logo@2x.npz"], ["score", "logo@2x.npz"], {}),
        ([], [], {}),
    ],
)
def test_secrets_go_to_the_environment(
    arguments: list[str], kept: list[str], secrets: dict[str, str]
) -> None:
    assert without_secrets(arguments, GROUP) == (kept, secrets)


def test_a_process_is_started_anew_without_them() -> None:
    code = """
import json, os, sys
from sweeps.cli import app
from sweeps.cli.secret_options import hide_secret_options
import typer.main
hide_secret_options(typer.main.get_command(app))
print(json.dumps([sys.orig_argv[1:], os.environ.get("SWEEPS_STORE")]))
"""
    words = [sys.executable, "-B", "-c", code, "list", "--store", URL, "--json"]
    clean = {key: value for key, value in os.environ.items() if key != "SWEEPS_STORE"}
    ran = subprocess.run(words, env=clean, capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [["-B", "-c", code, "list", "--json"], URL]
