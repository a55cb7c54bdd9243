package token

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// spModel is the part of SentencePiece's ModelProto that encoding needs. Field numbers are those of
// sentencepiece_model.proto.
type spModel struct {
	pieces []spPiece

	modelType        int // 1 unigram, 2 BPE, 3 word, 4 char
	byteFallback     bool
	suffixSpace      bool // treat_whitespace_as_suffix
	unk, bos, eos    int
	pad              int
	unkSurface       string
	charsmap         []byte
	addDummyPrefix   bool
	removeExtraSpace bool
	escapeSpace      bool
	denormCharsmap   []byte
}

type spPiece struct {
	text  string
	score float32
	kind  kind
}

var errTruncated = errors.New("message ends inside of a field")

// field is one field of a protocol-buffers message.
type field struct {
	num   int
	value uint64 // of a number
	bytes []byte // of a string or message
}

func (f field) float() float32 { return math.Float32frombits(uint32(f.value)) }

// fields calls f for each field of a message.
func fields(b []byte, f func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return errTruncated
		}
		b = b[n:]
		fl := field{num: int(tag >> 3)}
		switch tag & 7 {
		case 0:
			if fl.value, n = binary.Uvarint(b); n <= 0 {
				return errTruncated
			}
		case 1:
			if n = 8; len(b) < n {
				return errTruncated
			}
			fl.value = binary.LittleEndian.Uint64(b)
		case 2:
			size, k := binary.Uvarint(b)
			if k <= 0 || size > uint64(len(b)-k) {
				return errTruncated
			}
			fl.bytes, n = b[k:k+int(size)], k+int(size)
		case 5:
			if n = 4; len(b) < n {
				return errTruncated
			}
			fl.value = uint64(binary.LittleEndian.Uint32(b))
		default:
			return fmt.Errorf("field %d has wire type %d", tag>>3, tag&7)
		}
		b = b[n:]
		if err := f(fl); err != nil {
			return err
		}
	}
	return nil
}

// parseSP reads a ModelProto.
func parseSP(data []byte) (*spModel, error) {
	m := &spModel{modelType: 1, unk: 0, bos: 1, eos: 2, pad: -1, unkSurface: " \u2047 ",
		addDummyPrefix: true, removeExtraSpace: true, escapeSpace: true}
	err := fields(data, func(f field) error {
		switch f.num {
		case 1:
			p := spPiece{kind: normal}
			err := fields(f.bytes, p.read)
			m.pieces = append(m.pieces, p)
			return err
		case 2:
			return fields(f.bytes, m.readTrainer)
		case 3:
			return fields(f.bytes, m.readNormalizer)
		case 5:
			return fields(f.bytes, func(d field) error {
				if d.num == 2 {
					m.denormCharsmap = d.bytes
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("not a SentencePiece model: %w", err)
	}
	if len(m.pieces) == 0 {
		return nil, errors.New("not a SentencePiece model: it has no pieces")
	}
	return m, nil
}

func (p *spPiece) read(f field) error {
	switch f.num {
	case 1:
		p.text = string(f.bytes)
	case 2:
		p.score = f.float()
	case 3:
		p.kind = kind(f.value)
		if f.value < uint64(normal) || f.value > uint64(byteKind) {
			return fmt.Errorf("piece %q has type %d", p.text, f.value)
		}
	}
	return nil
}

func (m *spModel) readTrainer(f field) error {
	switch f.num {
	case 3:
		m.modelType = int(f.value)
	case 24:
		m.suffixSpace = f.value != 0
	case 35:
		m.byteFallback = f.value != 0
	case 40:
		m.unk = int(int32(f.value))
	case 41:
		m.bos = int(int32(f.value))
	case 42:
		m.eos = int(int32(f.value))
	case 43:
		m.pad = int(int32(f.value))
	case 44:
		m.unkSurface = string(f.bytes)
	}
	return nil
}

func (m *spModel) readNormalizer(f field) error {
	switch f.num {
	case 2:
		m.charsmap = f.bytes
	case 3:
		m.addDummyPrefix = f.value != 0
	case 4:
		m.removeExtraSpace = f.value != 0
	case 5:
		m.escapeSpace = f.value != 0
	}
	return nil
}
