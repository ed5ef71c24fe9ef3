"""Networks as they are published on the Hugging Face Hub: ONNX files beside JSON about pixels.

`folder` reads such a folder, and `hugging_face` downloads one. `pixels` finds the file that says
how pixels are made; each library that writes such files has a module, which reads them with
`fields`.
"""
