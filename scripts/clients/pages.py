"""The pages and the API of main_app, asked by Python's own HTTP client."""
import json
import sys
import urllib.request

base = sys.argv[1]


def get(path):
    with urllib.request.urlopen(base + path, timeout=30) as response:
        return response.read().decode()


for page, words in (("/", "Time and Sales"), ("/system", "main_app")):
    assert words in get(page), page
services = {service["name"]: service["state"] for service in json.loads(get("/v1/status"))["services"]}
assert services["main_app"] == "RUNNING", services
ports = {port["port"]: port["state"] for port in json.loads(get("/v1/ports"))}
assert set(ports.values()) == {"ok"}, ports
assert json.loads(get("/openapi.json"))["openapi"].startswith("3.1"), "openapi"
assert "sentinel_service_state" in get("/v1/metrics"), "metrics"
assert json.loads(get("/v1/logs?service=main_app&lines=1"))["service"] == "main_app", "logs"
print("pages:", ", ".join(f"{name} {state}" for name, state in services.items()))
