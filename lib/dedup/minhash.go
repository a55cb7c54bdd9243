package dedup

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Config sets how MinHash compares documents.
type Config struct {
	Shingle int // words in a shingle
	Bands   int
	Rows    int // hashes in a band; two documents meet where all hashes of a band are equal
	// MinSimilarity is the least estimated similarity at which documents that meet are joined; 0 joins all that meet.
	MinSimilarity float64
	Seed          uint64 // of the hash functions
}

// DataTrove returns the settings of datatrove and FineWeb: 14 bands of 8 hashes over shingles of 5 words, and no further check
// (Penedo et al. 2024, arXiv:2406.17557 §3.4). Half of the pairs that share 0.68 of their shingles meet.
func DataTrove() Config { return Config{Shingle: 5, Bands: 14, Rows: 8, Seed: 1} }

// InternLM returns the settings of InternLM2: 128 hashes over shingles of 5 words and a threshold of 0.7 (Cai et al. 2024,
// arXiv:2403.17297 §3.1). The report does not say how the hashes are cut into bands: this is [ForThreshold]'s best cut.
func InternLM() Config {
	return Config{Shingle: 5, Bands: 14, Rows: 9, MinSimilarity: 0.7, Seed: 1}
}

// ForThreshold returns the cut of at most this many hashes into bands that errs least at a similarity: it minimises the sum of the
// area below P on the left of the threshold and above it on the right, which is what datasketch does.
func ForThreshold(hashes int, threshold float64) Config {
	best, least := DataTrove(), math.Inf(1)
	for bands := 1; bands <= hashes; bands++ {
		for rows := 1; rows <= hashes/bands; rows++ {
			cfg := Config{Shingle: 5, Bands: bands, Rows: rows, Seed: 1}
			wrong := 0.0
			for k := range 1000 {
				j := (float64(k) + 0.5) / 1000
				if p := cfg.P(j); j < threshold {
					wrong += p
				} else {
					wrong += 1 - p
				}
			}
			if wrong < least {
				best, least = cfg, wrong
			}
		}
	}
	return best
}

// Validate reports what is wrong with the settings.
func (c Config) Validate() error {
	switch {
	case c.Shingle < 1 || c.Shingle > MaxShingle:
		return fmt.Errorf("dedup: shingles of %d words: choose 1 to %d", c.Shingle, MaxShingle)
	case c.Bands < 1 || c.Rows < 1 || c.Bands > maxHashes || c.Rows > maxHashes || c.Bands*c.Rows > maxHashes:
		return fmt.Errorf("dedup: %d bands of %d hashes: choose 1 to %d hashes in all", c.Bands, c.Rows, maxHashes)
	case !(c.MinSimilarity >= 0 && c.MinSimilarity <= 1):
		return fmt.Errorf("dedup: a least similarity of %v: choose 0 to 1", c.MinSimilarity)
	}
	return nil
}

// maxHashes bounds a signature.
const maxHashes = 4096

// P returns the probability that two documents meet whose sets of shingles have the Jaccard similarity j: 1 − (1 − jᴿ)ᴮ for B bands
// of R hashes (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets §3.4).
func (c Config) P(j float64) float64 {
	return 1 - math.Pow(1-math.Pow(j, float64(c.Rows)), float64(c.Bands))
}

// mersenne is the prime 2⁶¹ − 1.
const mersenne = 1<<61 - 1

// lanes is how many hashes are computed together: signatures are padded to a multiple of it.
const lanes = 16

// Signer computes signatures. It belongs to one goroutine and keeps its memory from text to text.
type Signer struct {
	cfg      Config
	a, b     []uint64 // hash k of shingle s is (a[k]·s + b[k] mod 2⁶⁴) mod 2⁶¹−1, as datatrove's
	minima   []uint64
	bands    []uint64
	sketch   []byte
	scanner  scanner
	shingles []uint64
}

// NewSigner returns a signer. It panics if the settings are not valid.
func NewSigner(cfg Config) *Signer {
	if err := cfg.Validate(); err != nil {
		panic(err.Error())
	}
	hashes := cfg.Bands * cfg.Rows
	n := (hashes + lanes - 1) / lanes * lanes
	s := &Signer{cfg: cfg, a: make([]uint64, n), b: make([]uint64, n), minima: make([]uint64, n), bands: make([]uint64, cfg.Bands), sketch: make([]byte, hashes)}
	rng := rand.New(rand.NewPCG(cfg.Seed, 0x6d696e68617368))
	for k := range n {
		s.a[k], s.b[k] = 1+rng.Uint64N(mersenne-1), rng.Uint64N(mersenne)
	}
	return s
}

// Sign returns a text's signature, valid until the next call: a key for each band, never 0, and the lowest byte of each hash, from
// which [Similarity] estimates. ok is false for a text without words, which has none.
func (s *Signer) Sign(text string) (bands []uint64, sketch []byte, ok bool) {
	s.shingles = s.scanner.shingles(s.shingles[:0], text, s.cfg.Shingle)
	s.sign(s.shingles)
	return s.bands, s.sketch, len(s.shingles) > 0
}

// sign makes the signature of a set of shingles.
func (s *Signer) sign(shingles []uint64) {
	for k := range s.minima {
		s.minima[k] = math.MaxUint64
	}
	minHashes(s.minima, s.a, s.b, shingles)
	for b := range s.bands {
		h := uint64(b)
		for _, m := range s.minima[b*s.cfg.Rows:][:s.cfg.Rows] {
			h = fold(h ^ m)
		}
		s.bands[b] = max(h, 1)
	}
	for k := range s.sketch {
		s.sketch[k] = byte(s.minima[k])
	}
}

// minHashes lowers minima to the hashes of the shingles. Its faster variants give the same values.
var minHashes = minHashesPortable

func minHashesPortable(minima, a, b, shingles []uint64) {
	for k := range minima {
		a, b, m := a[k], b[k], minima[k]
		for _, s := range shingles {
			x := a*s + b
			x = x&mersenne + x>>61
			if x < m || x >= mersenne { // both are rare
				if x >= mersenne {
					x -= mersenne
				}
				m = min(m, x)
			}
		}
		minima[k] = m
	}
}

// Similarity estimates the Jaccard similarity of two texts from their sketches, of signers with equal settings. Different hashes have
// equal bytes once in 256 times, which is taken off (b-bit minwise hashing: Li and König 2010, arXiv:0910.3349). With 112 hashes the
// standard error is at most 0.05.
func Similarity(x, y []byte) float32 {
	equal := 0
	for k := range x {
		if x[k] == y[k] {
			equal++
		}
	}
	const chance = 1.0 / 256
	return float32(max(0, (float64(equal)/float64(len(x))-chance)/(1-chance)))
}
