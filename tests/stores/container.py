"""container.py PORT NAME: makes a container in azurite, whose account and key are the same everywhere and no secret."""
import base64, hashlib, hmac, http.client, sys
from email.utils import formatdate

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
port, name = sys.argv[1:]
headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
signed = "\n".join(f"{key}:{value}" for key, value in sorted(headers.items()))
text = f"PUT{chr(10) * 12}{signed}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
signature = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
headers["Authorization"] = f"SharedKey {ACCOUNT}:{signature}"
client = http.client.HTTPConnection("127.0.0.1", int(port))
client.request("PUT", f"/{ACCOUNT}/{name}?restype=container", headers=headers)
answer = client.getresponse()
sys.exit(0 if answer.status == 201 else f"{answer.status} {answer.read().decode()}")
