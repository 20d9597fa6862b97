# `make demo` and `make test` create .venv if needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

NPM_CI  = npm ci --ignore-scripts --no-audit --no-fund --loglevel error
LOCK    = $(BIN)/uv pip compile --quiet pyproject.toml --constraint constraints.txt --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock"

# Tests run in one process per core. The tests of a file run in the same process, to share the networks that they train.
# Tests that measure time run afterwards, on their own.
PARALLEL := -n auto --dist loadfile -m "not serial" --durations=10
SERIAL   := -m serial

# Kills by `make faults`; without it the tests kill a few runs.
KILLS  := 100

# Seconds for each reader of files in `make fuzz`.
SECONDS := 60

SCHEMA = $(BIN)/check-jsonschema --quiet --builtin-schema vendor.

# Tests the installed wheel; runs in build/, where the repository's packages cannot be imported. The tests in a browser
# need Playwright, and are about files that the wheel contains as they are.
TEST_WHEEL = cd build && venv/bin/pytest -c ../pyproject.toml --rootdir .. -p no:cacheprovider ../tests/infer \
	--ignore=../tests/infer/live/page

.PHONY: demo web test check lint coverage docs pictures audit lock sbom release faults fuzz soak format wheel-test gpu-wheel-test clean

demo: $(VENV)/.installed-demo  ## 68 points on a photo, with the shipped model
	$(BIN)/python -m fkd_infer.cli.demo --out out/demo

web: web/node_modules/.installed  ## the page for browsers in dist/web, a folder for any host of files
	npm run build --prefix web

test: $(VENV)/.installed-dev  ## all tests
	$(BIN)/python -m pytest $(PARALLEL)
	$(BIN)/python -m pytest $(SERIAL)

check: lint  ## format, lint, types, architecture, security
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive fkd_infer fkd_train benchmarks tools
	$(BIN)/python -m tools.audit

# What takes seconds; pre-commit runs it. actionlint's package cannot be installed on every network.
lint: $(VENV)/.installed-dev  ## format, lint, architecture, and the files that other programs read
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
# On Windows, text without a named encoding is another's than here.
	$(BIN)/ruff check --quiet --preview --select PLW1514 fkd_infer fkd_train
	$(BIN)/lint-imports
	$(BIN)/validate-pyproject pyproject.toml
	LC_ALL=C.UTF-8 $(BIN)/hadolint docker/*.Dockerfile .devcontainer/Dockerfile examples/cluster/Dockerfile
	$(BIN)/zizmor --quiet --offline .github
	$(SCHEMA)github-workflows .github/workflows/*.yml
	$(SCHEMA)dependabot .github/dependabot.yml
	$(SCHEMA)github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA)github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(SCHEMA)citation-file-format --default-filetype yaml CITATION.cff
	@if [ -x $(BIN)/actionlint ]; then $(BIN)/actionlint; else echo "actionlint is not installed: not run"; fi

coverage: $(VENV)/.installed-dev  ## how much of fkd_infer tests/infer runs; fails below the threshold in pyproject.toml
	$(BIN)/python -m pytest $(PARALLEL) --cov tests/infer --ignore=tests/infer/ray --ignore=tests/infer/live/page

docs: $(VENV)/.installed-dev  ## the site of the documentation in build/site/html; a broken link or a missing page fails
	$(BIN)/python -m tools.site

pictures: $(VENV)/.installed-dev  ## the pictures of the documentation, drawn again
	$(BIN)/python -m tools.pictures

audit: $(VENV)/.installed-dev  ## fails for a known vulnerability of a pinned package, or if the service does not answer
	$(BIN)/python -m tools.audit --strict

lock: $(VENV)/.installed-dev  ## writes requirements/ from pyproject.toml and constraints.txt
	$(LOCK) --extra cpu --extra live --output-file requirements/runtime-cpu.txt
	$(LOCK) --extra gpu --extra live --output-file requirements/runtime-gpu.txt
	$(LOCK) --extra cpu --extra live --extra train --output-file requirements/train.txt

sbom: $(VENV)/.installed-dev  ## SBOMs of the runtime, CycloneDX JSON in build/
	$(BIN)/python -m tools.sbom build

release: $(VENV)/.installed-dev web/node_modules/.installed  ## all files of a release of this commit in dist/release/
	$(BIN)/python -m tools.release
	$(BIN)/twine check --strict dist/release/*.whl dist/release/*.tar.gz

faults: $(VENV)/.installed-dev  ## tests of faults, with KILLS kills each of training, batches and videos
	FKD_KILLS=$(KILLS) $(BIN)/python -m pytest $(PARALLEL) tests/faults

fuzz: $(VENV)/.installed-dev  ## fuzzes each reader of files for SECONDS; fails if one crashes
	$(BIN)/python -m fuzz --seconds $(SECONDS) --corpus out/fuzz

soak: $(VENV)/.installed-dev  ## an hour of video and 20,000 photos: memory, files and threads must stay constant
	$(BIN)/python -m benchmarks soak

format: $(VENV)/.installed-dev  ## formats the code and fixes what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel-test: $(VENV)/.installed-dev  ## tests the wheel without torch and onnx, with OpenCV 5; `make test` has OpenCV 4
	rm -rf build
	$(BIN)/python -m build --wheel --outdir build/wheel . > build-wheel.log 2>&1 || (cat build-wheel.log; exit 1)
	rm -f build-wheel.log
	$(PYTHON) -m venv build/venv
	build/venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	build/venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		"fkd[cpu,live] @ file://$(CURDIR)/$$(ls build/wheel/*.whl)" --group test-runtime
	build/venv/bin/python -c "import importlib.util as u; assert not (u.find_spec('torch') or u.find_spec('onnx'))"
	build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints-opencv5.txt
	build/venv/bin/python -m pip check
	$(TEST_WHEEL) $(PARALLEL)
	$(TEST_WHEEL) $(SERIAL)

gpu-wheel-test:  ## tests ONNX Runtime's package for CUDA without a GPU, and OpenVINO's plug-in
	rm -rf build/gpu
	$(PYTHON) -m venv build/gpu
	build/gpu/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		. onnxruntime-gpu onnxruntime-ep-openvino onnx onnxscript pytest
	build/gpu/bin/python -c "import importlib.util as u; assert not (u.find_spec('torch') or u.find_spec('nvidia'))"
	cd build && gpu/bin/pytest -c ../pyproject.toml --rootdir .. -p no:cacheprovider ../tests/gpu_wheel \
		../tests/infer/runtime/providers/test_openvino.py

clean:  ## removes .venv, build, dist and out
	rm -rf $(VENV) build dist out

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing fkd into $(VENV) …"
	$(PIP) -e ".[cpu,demo]"
	@touch $@

web/node_modules/.installed: web/package-lock.json
	$(NPM_CI) --prefix web
	@touch $@

# Exported files are also tested in JavaScript, and pages by axe-core; those tests skip themselves without it.
$(VENV)/.installed-dev: pyproject.toml constraints.txt tests/node/package-lock.json web/package-lock.json | $(BIN)/python
	@echo "installing fkd with its training and development packages into $(VENV) …"
	$(PIP) pip
	$(PIP) -e ".[cpu,demo,train,timm,live,remote,parquet,ray,bench]" --group dev
	@if command -v npm > /dev/null; then \
		$(NPM_CI) --prefix tests/node && $(NPM_CI) --prefix web \
			|| echo "packages of JavaScript cannot be installed here"; \
	fi
	@touch $@
