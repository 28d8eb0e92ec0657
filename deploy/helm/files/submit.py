"""What `helm test` runs: submits a job through the Service and checks that its name comes back."""  # noqa: INP001 - a script of its own, run with `python -c`

import json
import os
import sys
import urllib.error
import urllib.request

# the name of this pod, which begins with a digit where that of the release does: the name of a job must not
NAME = f"helm-{os.environ['NAME']}"
job = {
    "name": NAME,
    "project": os.environ["PROJECT"],
    "image": os.environ["IMAGE"],
    "command": "python -m service --version",
    "ttlAfterFinish": "10m",
}
headers = {"Content-Type": "application/json", "RA-USER": "helm-test", "Idempotency-Key": NAME}
if "TOKEN_SECRET" in os.environ and "TOKEN" not in os.environ:
    sys.exit(
        f"Secret {os.environ['TOKEN_SECRET']} has no key test-token: put the token of somebody who may submit there"
    )
if "TOKEN" in os.environ:
    headers["Authorization"] = f"Bearer {os.environ['TOKEN']}"
    del headers["RA-USER"]
body = json.dumps({"job": job}).encode()
request = urllib.request.Request(os.environ["URL"] + "/api/job", body, headers)  # noqa: S310 - the Service's address
try:
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - as above
        status, answer = response.status, response.read().decode()
except urllib.error.HTTPError as error:
    status, answer = error.code, error.read().decode()
except OSError as error:
    sys.exit(f"{request.full_url} does not answer: {error}")
print(status, answer)
sys.exit(not (status == 200 and json.loads(answer) == {"name": NAME}))
