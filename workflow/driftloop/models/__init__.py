"""Networks, the classifier that is deployed, and how it is trained, stored and run."""

import os

# Threads that wait for one another give up the processor instead of spinning on it. Spinning is a little
# faster on an idle machine, and several times slower on one where anything else runs: measured under load,
# 30 training steps took 2.8 s instead of 14.8 s. It counts only when it is set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
