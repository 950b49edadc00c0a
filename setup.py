"""What is installed and with what; tool settings are in pyproject.toml.

The ranges say what works; `requirements/*.lock` pin what the demo and the tests install.
"""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
TOP = ("annotator", "db", "trainer")
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "annotator" / "__init__.py").read_text().splitlines()
    if line.startswith("__version__")
)

setup(
    name="annotator",
    version=VERSION,
    description="Turn the picture archive of a ZoneMinder-like recorder into answers",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=[f"{top}{rest}" for top in TOP for rest in ("", ".*")]),
    package_data={
        "annotator": ["py.typed"],
        "annotator.browse": ["templates/*.html", "static/*"],
        "annotator.inference": ["catalogue.toml", "labels/*.txt"],
        "annotator.view": ["templates/*"],
        "db": ["py.typed"],
        "trainer": ["py.typed"],
    },
    # The units, for `annotator service install`. Not a package: "systemd" is python-systemd's name.
    data_files=[
        (
            "share/annotator/systemd",
            sorted(f"systemd/{unit.name}" for unit in (HERE / "systemd").iterdir()),
        )
    ],
    install_requires=[
        "alembic>=1.13,<2",
        "ai-edge-litert>=2.0,<3",
        "click>=8.1,<9",
        "dateparser>=1.2,<2",
        # Compiled dlib; "dlib" on the index is source only and takes an hour to build on a board.
        "dlib-bin>=19.24,<21",
        # Only the weights of dlib's networks; found on disk, never imported.
        "face_recognition_models>=0.3,<0.4",
        "jinja2>=3.1,<4",
        # The pages of `gallery` and `report`.
        "jinja2>=3.1,<4",
        "numpy>=1.26,<3",
        "paho-mqtt>=2,<3",
        "pillow>=10.3,<14",
        "platformdirs>=4,<5",
        "prometheus_client>=0.20,<1",
        "pydantic>=2.7,<3",
        "rich>=13.7,<16",
        "scikit-learn>=1.5,<2",
        "sdnotify>=0.3.2,<0.4",
        # No wheel for 32-bit ARM; Pillow decodes alone there.
        "simplejpeg>=1.8,<2; platform_machine == 'x86_64' or platform_machine == 'aarch64'",
        "sqlalchemy>=2.0.30,<3",
        "threadpoolctl>=3.1,<4",
        "watchdog>=4,<8",
        "xgboost-cpu>=2.1,<4",
    ],
    extras_require={
        # `annotator browse`: pages over the database.
        "browse": ["datasette>=0.65.2,<0.66"],
        # For an Edge TPU whose libedgetpu does not match LiteRT; see docs/models.md.
        "tflite-runtime": ["tflite-runtime>=2.5,<2.15; python_version<'3.12'"],
        # The public-domain pictures of the demo.
        "demo": ["matplotlib>=3.8,<4", "scikit-image>=0.22,<1"],
        # The original whose embeddings ours must equal. It asks for dlib's source, which dlib-bin
        # replaces: install it with --no-deps.
        "reference": ["face_recognition>=1.3,<2"],
        # Draws the confusion matrix, the scores and the DET curve of `trainer`.
        "trainer": ["matplotlib>=3.8,<4"],
        # The seed's own decoder, to measure against; see docs/performance.md.
        "bench": ["opencv-python-headless>=4.10,<6"],
        "test": [
            "hypothesis>=6.100,<7",
            "import-linter>=2,<3",
            "mypy>=1.10,<3",
            # Drives the browser that the distribution has.
            "playwright>=1.44,<2",
            "psutil>=5.9,<8",
            "pytest>=8,<10",
            "pytest-xdist>=3.6,<4",
            "ruff>=0.6,<1",
        ],
    },
    entry_points={
        "console_scripts": [
            "annotator = annotator.cli.main:main",
            "trainer = trainer.cli:main",
        ]
    },
    classifiers=[
        "Private :: Do Not Upload",
        "Environment :: Console",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
    ],
)
