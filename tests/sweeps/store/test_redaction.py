import pytest

from sweeps.store import redacted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ray:S3cret@host:5432/db", "postgresql://ray:***@host:5432/db"),
        ("postgres://ray:S3c@r/e:t@host/db", "postgres://ray:***@host/db"),
        ("https://S3cret@host/api", "https://***@host/api"),
        (
            "http://host/?user=ray&sslpassword=S3cret&x=1",
            "http://host/?user=ray&sslpassword=***&x=1",
        ),
        ("http://host/?Api_Key=S3cret#top", "http://host/?Api_Key=***"),
        ("postgresql://ray:S3' cr\"et\n@x@host/db", "postgresql://ray:***@host/db"),
        ("postgresql:/ray:S3cret@host/db", "***@host/db"),
        ("ray:S3cret@host/db", "***@host/db"),
        (
            "GET 'http://a:S3cret@b/x?token=S3cret' and (https://c:S3cret@d): refused",
            "GET 'http://a:***@b/x?token=***' and (https://c:***@d): refused",
        ),
        ("https://S3cret:@host", "https://***@host"),
        ("S3cret@host/api", "***@host/api"),
        ("postgresql:///ray:S3cret@host/db", "postgresql:///ray:***@host/db"),
        ("postgresql://ray:S3cret%40@host:port/db", "postgresql://ray:***@host:port/db"),
        # An @ that was forgotten makes a port of the password.
        ("postgresql://ray:S3cret", "postgresql://ray:***"),
        ("no port in 'http://ray:S3cret/x'", "no port in 'http://ray:***'"),
        ("postgresql://host/db?password=S3 c'r et&x=1", "postgresql://host/db?password=***&x=1"),
        ("postgresql://host/db;password=S3cret", "postgresql://host/db;password=***"),
        ("mssql://?odbc_connect=DRIVER%3Da%3BPWD%3DS3cret", "mssql://?odbc_connect=***"),
        ("host=a password='S3 cret' user=b", "host=a password=*** user=b"),
        ("bad header: 'Bearer S3cret'", "bad header: 'Bearer ***'"),
        ("Authorization: Basic S3cret", "Authorization: Basic ***"),
    ],
)
def test_no_secret_is_shown(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/me@work/sweeps.db",
        "/home/me@work/sweeps.db: file is not a database",
        "./me@work.db",
        "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning",
        "postgresql://host/db",
        "s3://bucket/folder",
        "ray://host:10001",
        "see (http://[::1]:5000/x), http://host:5000. And http://host:80: refused",
        "a photo, logo@2x.png, cannot be read",
        "@property\n    y = x @ w",
    ],
)
def test_what_has_no_secret_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text
