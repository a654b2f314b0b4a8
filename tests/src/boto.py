"""Runs snippets against an endpoint, each in a thread: a JSON object a line in, one a line out."""

import datetime
import json
import sys
import threading

import boto3
import botocore.config
import botocore.exceptions

lock = threading.Lock()
session = boto3.Session(aws_access_key_id="rig", aws_secret_access_key="rig", region_name="us-east-1")
# Faults are to be seen, not retried.
config = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60)


clients = {}


def client(*where):
    # Making one takes long, and a session can't do it in two threads at once.
    with lock:
        if where not in clients:
            service, endpoint, region = where
            clients[where] = session.client(service, endpoint_url=endpoint, region_name=region, config=config)
        return clients[where]


def plain(value):
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)


def run(task):
    wanted = [name for name in ("ec2", "autoscaling", "sts") if name in task["code"]]
    place = {name: client(name, task["endpoint"], task["region"]) for name in wanted}
    place["args"] = task["args"]
    place["result"] = None
    try:
        exec(compile(task["code"], "snippet", "exec"), place)
        return {"result": place["result"]}
    except botocore.exceptions.ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": str(error)}
    except Exception as error:
        return {"code": type(error).__name__, "message": str(error)}


def serve(line):
    task = json.loads(line)
    answer = json.dumps({"id": task["id"], **run(task)}, default=plain)
    with lock:
        print(answer, flush=True)


for line in sys.stdin:
    threading.Thread(target=serve, args=(line,), daemon=True).start()
