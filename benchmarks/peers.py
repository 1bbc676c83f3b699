"""Other compilers as contenders: each makes a callable of a module and its inputs; the packages are the group "peers".

All of them freeze the weights: torch.compile with max-autotune and freezing, ONNX Runtime, OpenVINO.
"""

import contextlib
import io
import logging
import os
import tempfile
import warnings

import torch

import timing


def max_autotune(target, inputs):
    """torch.compile with its weights frozen and every choice measured.

    Inductor reads the two options when it compiles, which is at the first call.
    """
    from torch._inductor import config

    compiled = torch.compile(target, mode="max-autotune-no-cudagraphs")
    with config.patch(freezing=True):
        compiled(*inputs)
    return compiled


def onnx_runtime(target, inputs):
    """The ONNX program that torch.onnx exports, every optimisation on, as many threads as PyTorch uses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    with quiet(), tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        torch.onnx.export(TensorsOnly(target).eval(), inputs, dynamo=True, verbose=False).save(path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [described.name for described in session.get_inputs()]

    def call(*tensors):
        return [torch.from_numpy(result) for result in session.run(None, dict(zip(names, map(numpy_of, tensors))))]

    return call


def openvino(target, inputs):
    """The program that OpenVINO traces, static shapes, float32 kept, tuned for latency."""
    import openvino

    hints = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if torch.bfloat16 in dtypes_of(target) else "f32",
    }
    with quiet():
        shapes = [tuple(tensor.shape) for tensor in inputs]
        model = openvino.convert_model(TensorsOnly(target).eval(), example_input=inputs, input=shapes)
        request = openvino.Core().compile_model(model, "CPU", hints).create_infer_request()

    def call(*tensors):
        results = request.infer([numpy_of(tensor) for tensor in tensors], share_inputs=True, share_outputs=True)
        return [torch.from_numpy(result) for result in results.values()]

    return call


class TensorsOnly(torch.nn.Module):
    """A module whose result is a tuple of its target's tensors, which is what exporters take."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def forward(self, *inputs):
        return tuple(timing.tensors_in(self.target(*inputs)))


def dtypes_of(target):
    return {parameter.dtype for parameter in target.parameters()}


def numpy_of(tensor):
    return tensor.detach().numpy()


@contextlib.contextmanager
def quiet():
    """Exporters speak a lot."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
