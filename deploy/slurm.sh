#!/bin/sh
#SBATCH --job-name=culex-bench
#SBATCH --ntasks=3
#SBATCH --cpus-per-task=2
#SBATCH --time=00:10:00
# A load shared by three tasks: `MQTT_HOST=broker sbatch deploy/slurm.sh`. SLURM_PROCID and SLURM_NTASKS tell each task its
# part; the start is far enough ahead for all of them to connect. The last line adds the parts up.
set -eu
start=$(date -u -d '+30 seconds' +%Y-%m-%dT%H:%M:%SZ)
srun sh -c "exec culex bench run --start-at $start -c 3000 --rate 30k/s -q 1 -W 60s --quiet --out segment-\$SLURM_PROCID.mbr" ||
    echo "a segment ended with status $?: what was measured is merged all the same" >&2
culex bench merge segment-*.mbr --fail 'p99<50ms,loss=0'
