"""Counts the traces of an IEEE 1849 event log per channel and department, and the 90th percentile
(nearest rank) of their duration in milliseconds. Prints one JSON object."""
import gzip, json, math, sys
import xml.etree.ElementTree as xml
from collections import Counter
from datetime import datetime

log = xml.parse(gzip.open(sys.argv[1])).getroot()
space = log.tag[: log.tag.index("}") + 1] if "}" in log.tag else ""
channels, departments, durations, events = Counter(), Counter(), [], 0
for trace in log.iter(space + "trace"):
    own = {a.get("key"): a.get("value") for a in trace if a.get("key")}
    channels[own["channel"]] += 1
    departments[own["department"]] += 1
    times = [datetime.fromisoformat(a.get("value")) for event in trace.iter(space + "event")
             for a in event if a.get("key") == "time:timestamp"]
    events += len(times)
    durations.append(round((max(times) - min(times)).total_seconds() * 1000))
durations.sort()
p90 = durations[math.ceil(len(durations) * 0.9) - 1]
print(json.dumps({"traces": len(durations), "events": events, "channels": channels,
                  "departments": departments, "p90_ms": p90}, sort_keys=True))
