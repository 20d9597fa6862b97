/** Gives the library and the shipped networks to tests that run in a browser. */

import detector from "../../../models/fkd-detector-int8.onnx?url";
import model from "../../../models/fkdnet.onnx?url";
import * as fkd from "../../src";

Object.assign(window, { fkd, model, detector });
