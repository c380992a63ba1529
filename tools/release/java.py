"""Try the release of Java: the artifact in a Maven repository, required by an empty project that knows nothing else."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from quickthorn import __version__
from tools.environment import ROOT
from tools.trial import ANSWER, expect, run, served

NEEDS = ("java", "javac", "mvn")

SOURCE = ROOT / "clients" / "java"
# Apart from the user's own, where ours would be taken for the released one; kept, for the next time to be quicker.
REPOSITORY = ROOT / "build" / "release" / "java"
MAVEN = ("mvn", "-q", "-B", f"-Dmaven.repo.local={REPOSITORY}")
LIBRARIES = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies"
SAID = {
    "Complete": ANSWER,
    "Stream": ANSWER,
    "Observe": ANSWER,
    "Cancel": "-- cancelled: true",
    "Errors": "UNKNOWN_ROUTE",
}

_PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId>
  <artifactId>first</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.source>11</maven.compiler.source>
    <maven.compiler.target>11</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency>
      <groupId>io.quickthorn</groupId>
      <artifactId>quickthorn-client</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""


def main() -> int:
    """Test, build, install and call; exits with a message at the first thing that is wrong."""
    client = SOURCE / "src" / "main" / "java" / "io" / "quickthorn" / "QuickthornClient.java"
    expect(client.read_text(), f'VERSION = "{__version__}"', "QuickthornClient.java")
    expect(
        (SOURCE / "pom.xml").read_text(), f"</artifactId>\n  <version>{__version__}</version>", "clients/java/pom.xml"
    )
    run([*MAVEN, "clean", "install"], SOURCE)
    with tempfile.TemporaryDirectory() as scratch, served() as address:
        project = Path(scratch)
        (project / "pom.xml").write_text(_PROJECT.format(version=__version__))
        sources = project / "src" / "main" / "java"
        shutil.copytree(SOURCE / "examples", sources)
        run([*MAVEN, "compile", LIBRARIES], project)
        path = os.pathsep.join(("target/classes", "target/dependency/*"))
        for example in sorted(file.stem for file in sources.iterdir()):
            said = run(["java", "-cp", path, example], project, {"QUICKTHORN_TARGET": address})
            expect(said, SAID[example], f"the example {example} with the artifact from the repository")
    sys.stdout.write("java: ok\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
