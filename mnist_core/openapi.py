"""What the HTTP routes promise, as an OpenAPI document."""

from mnist_core.architectures import DIGITS

MAX_BODY = 10_000_000  # bytes
PICTURES = (
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/bmp",
    "image/gif",
    "image/tiff",
    "application/octet-stream",
)
FORM, JSON = "multipart/form-data", "application/json"

DIGIT = {"type": "integer", "minimum": 0, "maximum": DIGITS - 1}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
TEXT = {"type": "string"}


def record(**entries: dict) -> dict:
    """An object that has all these entries and no others."""
    return {"type": "object", "properties": entries, "required": list(entries), "additionalProperties": False}


PREDICTION = record(
    digit={
        "anyOf": [DIGIT, {"type": "null"}],
        "description": "The likeliest digit; null where nothing is drawn or it is no digit.",
    },
    confidence=SHARE,
    probabilities={"type": "array", "items": SHARE, "minItems": DIGITS, "maxItems": DIGITS},
    top={"type": "array", "items": record(digit=DIGIT, probability=SHARE), "maxItems": 3},
    verdict={"enum": ["digit", "unsure", "not a digit", "blank"]},
    in_words={**TEXT, "description": "The verdict for a person."},
    reason={**TEXT, "description": "Why the verdict is another than digit."},
    model=TEXT,
    milliseconds={"type": "number", "minimum": 0, "description": "Reading and computing, without waiting."},
)
MODEL = record(
    name=TEXT,
    architecture=TEXT,
    parameters={"type": "integer", "minimum": 1},
    test=record(accuracy=SHARE, low=SHARE, high=SHARE, of={"type": "integer", "minimum": 1}),
    sha256=TEXT,
)
ERRORS = {
    400: "The body is not what its Content-Type says, or did not arrive whole.",
    404: "There is no model of this name.",
    405: "This address does not take this method.",
    408: "The body took too long to arrive.",
    413: f"The body has more than {MAX_BODY // 1_000_000} MB.",
    415: "The body is of a kind that is not taken.",
    422: "There is no picture in the body, or none that can be read; or the model is not named as ?model=NAME.",
    500: "This should not have happened; the server's log says more.",
    503: "There is no model, it is being replaced, or too many pictures are waiting: then Retry-After says how long.",
}


def _answer(description: str, schema: dict) -> dict:
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _answers(schema: dict, *errors: int) -> dict:
    failed = {str(status): _answer(ERRORS[status], {"$ref": "#/components/schemas/Error"}) for status in errors}
    return {"200": _answer("The answer.", schema), **failed}


def describe(models: list[str]) -> dict:
    """The document, which names the models that are there now."""
    picture = {"type": "string", "format": "binary"}
    bodies = {kind: {"schema": picture} for kind in PICTURES}
    bodies[FORM] = {"schema": {"type": "object", "properties": {"image": picture}, "required": ["image"]}}
    encoded = {**TEXT, "description": "The picture in base64, or as a data URL."}
    bodies[JSON] = {"schema": record(image=encoded)}
    predict = {
        "operationId": "predict",
        "summary": "Which digit is this?",
        "description": "A picture of any size and either polarity: PNG, JPEG, WebP, BMP, GIF or TIFF.",
        "parameters": [
            {
                "name": "model",
                "in": "query",
                "description": "The first of /api/models where it is not given. In the body it is refused.",
                "schema": {"type": "string", "enum": models},
            }
        ],
        "requestBody": {"required": True, "content": bodies},
        "responses": _answers({"$ref": "#/components/schemas/Prediction"}, *ERRORS),
    }
    names = {"type": "array", "items": TEXT}
    shelf = {"models": names, "broken": {**names, "description": "Checkpoints that were left out, and why."}}
    listed = record(models={"type": "array", "items": {"$ref": "#/components/schemas/Model"}})
    reads = {
        "models": ("The models that can be asked, the usual one first", _answers(listed, 405)),
        "health": ("Can this server answer?", _answers(record(status={"const": "ok"}, **shelf), 405)),
        "openapi.json": ("This document", _answers({"type": "object"}, 405)),
    }
    reads["health"][1]["503"] = _answer("There is no model.", record(status=TEXT, **shelf))
    paths = {
        f"/api/{name}": {"get": {"operationId": name.partition(".")[0], "summary": summary, "responses": responses}}
        for name, (summary, responses) in reads.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "MNIST Digit Lab", "version": "1", "description": "Pictures in, digits out."},
        "paths": {"/api/predict": {"post": predict}, **paths},
        "components": {"schemas": {"Prediction": PREDICTION, "Model": MODEL, "Error": record(error=TEXT)}},
    }
