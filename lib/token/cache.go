package token

import (
	"encoding/binary"
	"unsafe"
)

const (
	cacheBits = 14 // 16,384 entries of 64 bytes: 1 MB, one core's second-level cache
	cacheKey  = 24 // longest word that is kept
	cacheIDs  = 9  // most ids that are kept
)

// cacheEntry is a word with its ids, in one line of memory. The word is zero-padded, size tells its length.
type cacheEntry struct {
	key     [3]uint64
	ids     [cacheIDs]uint32
	size, n uint8
}

// wordCache remembers words lately encoded; a word replaces the one that hashes to its place.
type wordCache [1 << cacheBits]cacheEntry

// wordKey reads s[i:j], at most cacheKey bytes, as three numbers.
func wordKey(s string, i, j int) (k [3]uint64) {
	n := j - i
	if i+cacheKey > len(s) {
		var pad [cacheKey]byte
		copy(pad[:], s[i:j])
		return [3]uint64{binary.LittleEndian.Uint64(pad[:]), binary.LittleEndian.Uint64(pad[8:]), binary.LittleEndian.Uint64(pad[16:])}
	}
	b := unsafe.Slice(unsafe.StringData(s), len(s))[i : i+cacheKey]
	k[0] = binary.LittleEndian.Uint64(b)
	if n <= 8 {
		k[0] &= ^uint64(0) >> (64 - 8*uint(n))
		return k
	}
	k[1] = binary.LittleEndian.Uint64(b[8:])
	if n <= 16 {
		k[1] &= ^uint64(0) >> (128 - 8*uint(n))
		return k
	}
	k[2] = binary.LittleEndian.Uint64(b[16:]) & (^uint64(0) >> (192 - 8*uint(n)))
	return k
}

func (c *wordCache) entry(k *[3]uint64, n int) *cacheEntry {
	h := (k[0] ^ uint64(n)<<56) * 0x9E3779B97F4A7C15
	h ^= k[1]*0xC2B2AE3D27D4EB4F ^ k[2]*0x165667B19E3779F9
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	return &c[h>>(64-cacheBits)]
}

// room makes sure that n more ids fit without growing.
func (st *state) room(n int) {
	if cap(st.ids)-len(st.ids) < n {
		st.ids = append(make([]uint32, 0, 2*cap(st.ids)+n+64), st.ids...)
	}
}

// take appends the ids of an entry; room has made place for cacheIDs.
func (st *state) take(e *cacheEntry) {
	n := len(st.ids)
	*(*[cacheIDs]uint32)(st.ids[n : n+cacheIDs]) = e.ids
	st.ids = st.ids[:n+int(e.n)]
}
