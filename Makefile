# Two commands for everybody: `make demo` and `make test`. Both set up .venv by themselves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Tests left out where the wheel's are run again with OpenCV 5: they take a third of the time, and none of them is
# about what OpenCV does.
WITHOUT_OPENCV := stream tune workers

.PHONY: demo test check format wheel-test clean

demo: $(VENV)/.installed-demo  ## 68 points on a photo, with the shipped model
	$(BIN)/python -m fkd_infer.demo --out out/demo

test: $(VENV)/.installed-dev  ## all tests
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev  ## format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## what check wants of formatting, done
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel-test: $(VENV)/.installed-dev  ## the wheel alone, without torch and onnx, passes its tests with OpenCV 4 and 5
	rm -rf build
	$(BIN)/python -m build --wheel --outdir build/wheel . > build-wheel.log 2>&1 || (cat build-wheel.log; exit 1)
	rm -f build-wheel.log
	$(PYTHON) -m venv build/venv
	build/venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		"fkd[cpu,live] @ file://$(CURDIR)/$$(ls build/wheel/*.whl)" pytest hypothesis
	build/venv/bin/python -c "import importlib.util as u; assert not (u.find_spec('torch') or u.find_spec('onnx'))"
	cd build && venv/bin/pytest -c ../pyproject.toml --rootdir .. -p no:cacheprovider ../tests/infer
	build/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints-opencv5.txt
	build/venv/bin/python -m pip check
	cd build && venv/bin/pytest -c ../pyproject.toml --rootdir .. -p no:cacheprovider ../tests/infer \
		$(WITHOUT_OPENCV:%=--ignore=../tests/infer/test_%.py)

clean:  ## removes what the commands above made
	rm -rf $(VENV) build out

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing fkd into $(VENV) …"
	$(PIP) -e ".[cpu,demo]"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing fkd with its training and development packages into $(VENV) …"
	$(PIP) -e ".[cpu,demo,train,live,dev]"
	@touch $@
