#!/bin/sh
# Powers a worker off when Ray on it has been gone for ten minutes: sh power-off-without-ray.sh
#
# A worker is ended by the head's autoscaler. When the head itself is gone nobody ends it, and a GPU goes on costing: so
# it ends itself. On AWS the instance is then terminated (InstanceInitiatedShutdownBehavior in cluster.yaml).
set -u
minutes=${MINUTES:-10}

missing=0
while [ "$missing" -lt "$minutes" ]; do
  sleep "${MINUTE:-60}"
  if pgrep -x raylet >/dev/null; then missing=0; else missing=$((missing + 1)); fi
done
sudo shutdown -h now
