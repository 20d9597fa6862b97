"""The operators that a model file may have, by domain.

These are the operators that fkd-export writes, those that ONNX Runtime's optimizer makes of them,
and the usual ones of such networks. None reads files, draws random numbers, or handles text or
sequences; control flow is only for end-to-end files.
"""

from __future__ import annotations

Operator = tuple[str, str]
"""(domain, name)."""
ONNX = ""
MICROSOFT, BLOCKED = "com.microsoft", "com.microsoft.nchwc"
OPSETS: dict[str, tuple[int, int]] = {ONNX: (6, 28), MICROSOFT: (1, 1), BLOCKED: (1, 1)}
"""The first and the last supported version of each domain."""
IR_VERSIONS = (3, 14)

_ONNX = """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast CastLike Ceil Celu Clip Compress
    Concat Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos CumSum DepthToSpace
    DequantizeLinear Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike
    Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater
    GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Identity
    InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LRN MatMul
    MatMulInteger Max MaxPool Mean Min Mish Mod Mul Neg NonMaxSuppression NonZero Not Or PRelu Pad
    Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 ReduceL2
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape
    Resize Round ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus
    Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK
    Transpose Trilu Unsqueeze Upsample Where Xor
"""
_MICROSOFT = """
    BiasGelu BiasSoftmax ConvTransposeWithDynamicPads DequantizeLinear DynamicQuantizeMatMul
    FastGelu FusedConv FusedGemm FusedMatMul FusedMatMulActivation Gelu MatMulInteger16
    MatMulIntegerToFloat MatMulNBits NhwcConv NhwcFusedConv NhwcMaxPool Pad QGemm QLinearAdd
    QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu
    QLinearMul QLinearReduceMean QLinearSigmoid QLinearSoftmax QLinearWhere QuantizeLinear QuickGelu
    TransposeMatMul
"""
_BLOCKED = """
    AveragePool Conv GlobalAveragePool GlobalMaxPool MaxPool ReorderInput ReorderOutput Upsample
"""

TENSOR_OPERATORS: frozenset[Operator] = frozenset(
    (domain, name)
    for domain, names in ((ONNX, _ONNX), (MICROSOFT, _MICROSOFT), (BLOCKED, _BLOCKED))
    for name in names.split()
)
CONTROL_FLOW: frozenset[Operator] = frozenset({(ONNX, "If"), (ONNX, "Loop")})
