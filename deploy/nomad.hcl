# A load shared by three allocations: `nomad job run -var start=2026-12-01T12:00:00Z deploy/nomad.hcl`, then merge what each
# wrote with `culex bench merge`. NOMAD_ALLOC_INDEX and BENCH_SEGMENTS tell each allocation its part.
variable "start" {
  type        = string
  description = "When the load begins, the same for all"
}

job "culex-bench" {
  type = "batch"

  group "segments" {
    count = 3

    # A result that fails a gate is a result: it is not measured again.
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "bench" {
      driver = "exec"

      env {
        BENCH_SEGMENTS = "3"
      }

      config {
        command = "culex"
        args = [
          "bench", "run", "-h", "broker.service.consul", "--start-at", "${var.start}",
          "-c", "3000", "--rate", "30k/s", "-q", "1", "-W", "60s", "--fail", "p99<50ms,loss=0",
          "--out", "${NOMAD_ALLOC_DIR}/segment-${NOMAD_ALLOC_INDEX}.mbr",
        ]
      }

      resources {
        cpu    = 2000
        memory = 128
      }
    }
  }
}
