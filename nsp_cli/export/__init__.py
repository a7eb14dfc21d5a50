"""Networks as ONNX files, for programs that run without torch."""

from nsp_cli.export.onnx_file import OPSET, Exported, check_libraries, export_onnx

__all__ = ["OPSET", "Exported", "check_libraries", "export_onnx"]
