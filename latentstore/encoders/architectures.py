"""Architectures: which models of transformers are encoders, and how a vector is taken from each. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from latentstore.types import Modality

_SEEN = frozenset({Modality.TEXT, Modality.IMAGE})
_HEARD = frozenset({Modality.TEXT, Modality.AUDIO})
_IMAGE = frozenset({Modality.IMAGE})
_AUDIO = frozenset({Modality.AUDIO})


@dataclass(frozen=True, slots=True)
class Architecture:
    """model, processor: names of classes in transformers. `processor` of pictures or sounds; None takes the one that the
    folder names. pooling: what a vector is, `features` of a contrastive model (unit length), the `pooler`'s output, or
    the `mean` of the hidden states. width: where its length stands in the configuration."""

    model: str
    modalities: frozenset[Modality]
    pooling: str
    width: str = "hidden_size"
    processor: str | None = None
    padded: bool = False  # its texts were always padded to the full length when it was trained, and lower-cased
    spare: int = 0  # positions of texts that no token can take
    seconds: float = 0.0  # of a sound that are heard at once; 0: what the processor says


# By `model_type` in config.json.
ARCHITECTURES = {
    "clip": Architecture("CLIPModel", _SEEN, "features", "projection_dim"),
    "siglip": Architecture("SiglipModel", _SEEN, "features", "vision_config.hidden_size", padded=True),
    "siglip2": Architecture("Siglip2Model", _SEEN, "features", "vision_config.hidden_size", padded=True),
    "clap": Architecture("ClapModel", _HEARD, "features", "projection_dim", "ClapFeatureExtractor", spare=2),
    "dinov2": Architecture("Dinov2Model", _IMAGE, "pooler"),
    "dinov2_with_registers": Architecture("Dinov2WithRegistersModel", _IMAGE, "pooler"),
    # Its own processor exists for torchvision alone; this one does the same, in 8 bits.
    "dinov3_vit": Architecture("DINOv3ViTModel", _IMAGE, "pooler", processor="ViTImageProcessorPil"),
    "audio-spectrogram-transformer": Architecture("ASTModel", _AUDIO, "pooler", processor="ASTFeatureExtractor"),
    "wav2vec2": Architecture("Wav2Vec2Model", _AUDIO, "mean", processor="Wav2Vec2FeatureExtractor", seconds=30),
    "hubert": Architecture("HubertModel", _AUDIO, "mean", processor="Wav2Vec2FeatureExtractor", seconds=30),
}
