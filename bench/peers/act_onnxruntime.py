"""Peer: one greedy action by ONNX Runtime, from raw bytes (1, 84, 84, 4) to the index of the largest output (worker.py
says how it is asked). The pruned network is exported as everybody does it: with zeros in the weights.

    {"network": "nature", "features": 512, "sparsity": 0.9, "threads": 1, "repeats": 200}

The division by 255 is folded into the first weights. Variants: a plain call, and input and output bound beforehand.
"""

import problem
import worker


def load(threads):
    worker.hold_to(threads)
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}", variants


def model(kind, weights):
    """The ONNX model: input `observation`, output `action`."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def add(operation, inputs, **attributes):
        output = f"value{len(nodes)}"
        nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def weighted(operation, x, name, **attributes):
        weight = weights[name] / (255 if name == "conv1" else 1)
        constants.append(numpy_helper.from_array(weight.astype("float32"), f"{name}.weight"))
        constants.append(numpy_helper.from_array(weight[(slice(None), *[0] * (weight.ndim - 1))] * 0, f"{name}.bias"))
        return add(operation, [x, f"{name}.weight", f"{name}.bias"], **attributes)

    x = add("Cast", ["observation"], to=TensorProto.FLOAT)
    x = add("Transpose", [x], perm=[0, 3, 1, 2])
    if kind == "nature":
        for i, (_, kernel, stride) in enumerate(problem.NATURE, 1):
            x = weighted(
                "Conv", x, f"conv{i}", kernel_shape=[kernel] * 2, strides=[stride] * 2, auto_pad="SAME_UPPER"
            )
            x = add("Relu", [x])
    else:
        names = iter(weights)
        conv = lambda y: weighted("Conv", y, next(names), kernel_shape=[3, 3], pads=[1] * 4)  # noqa: E731
        for _ in problem.IMPALA:
            x = add("MaxPool", [conv(x)], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
            for _ in range(2):
                x = add("Add", [x, conv(add("Relu", [conv(add("Relu", [x]))]))])
        x = add("Relu", [x])
    x = add("Flatten", [x])
    x = add("Relu", [weighted("Gemm", x, "dense1", transB=1)])
    x = weighted("Gemm", x, "dense2", transB=1)
    nodes.append(helper.make_node("ArgMax", [x], ["action"], axis=1, keepdims=0))
    shape = [1, problem.SIDE, problem.SIDE, problem.CHANNELS]
    graph = helper.make_graph(
        nodes,
        kind,
        [helper.make_tensor_value_info("observation", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("action", TensorProto.INT64, [1])],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(made)
    return made


class Act:
    """step() returns the action."""

    def __init__(self, request, bound):
        import onnxruntime

        layers = problem.shapes(request["network"], request["features"])
        weights = problem.population(layers, 1, request["sparsity"])[0][0]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = request["threads"]
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        serialized = model(request["network"], weights).SerializeToString()
        self.session = onnxruntime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])
        self.observation = problem.observation()
        self.binding = None
        if bound:
            self.binding = self.session.io_binding()
            self.binding.bind_cpu_input("observation", self.observation)
            self.action = onnxruntime.OrtValue.ortvalue_from_shape_and_type([1], "int64")
            self.binding.bind_ortvalue_output("action", self.action)

    def __call__(self):
        if self.binding is None:
            return int(self.session.run(None, {"observation": self.observation})[0][0])
        self.session.run_with_iobinding(self.binding)
        return int(self.action.numpy()[0])


def variants(request):
    return {"plain": lambda: Act(request, False), "bound": lambda: Act(request, True)}


if __name__ == "__main__":
    worker.serve(load)
