"""The data folder and what must be the same in every process that uses it."""

from openhands_site import env, installation

ROOT = env.ROOT  # the folder of the project
OPENHANDS_HOME = env.folder("OPENHANDS_HOME", env.ROOT / "var")
INSTALLATION_ID = installation.identify(OPENHANDS_HOME, env.text("OPENHANDS_INSTALLATION_ID"))
SECRET_KEYS = installation.secret_keys(OPENHANDS_HOME, env.items("OPENHANDS_SECRET_KEYS"))
# Where tests put orders for `openhands_site.fault_points`; a server has none.
FAULTS_FOLDER = env.text("OPENHANDS_FAULTS")
