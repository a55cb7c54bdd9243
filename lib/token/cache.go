package token

import (
	"encoding/binary"
	"unsafe"
)

// wordCache remembers words lately encoded, with their ids: short words, two to a line of memory, and long ones. A new
// word replaces the older one that hashes to its place.
type wordCache struct {
	short [1 << shortBits]shortSet
	long  [1 << longBits]longEntry
}

const (
	shortBits  = 14 // 1 MB, one core's second-level cache
	shortBytes = 15
	shortIDs   = 4
	longBits   = 12
	longBytes  = 32
	longIDs    = 7

	countShift = 24 // shortEntry keeps the number of ids above the first id, which is below maxVocab
)

// shortEntry is a zero-padded word whose last byte tells its length and role, and its ids.
type shortEntry struct {
	key [2]uint64
	ids [shortIDs]uint32
}

type shortSet [2]shortEntry

type longEntry struct {
	key     [longBytes]byte
	ids     [longIDs]uint32
	size, n uint8
}

// A word and an equal part of a word may have different ids; the cache adds the role to the length.
const (
	wholeWord  = 0
	partOfWord = 64
)

var keyMasks = func() (m [shortBytes + 1][2]uint64) {
	for n := range m {
		var b [16]byte
		for i := range n {
			b[i] = 0xFF
		}
		m[n] = [2]uint64{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
	}
	return m
}()

// shortKey reads s[i:i+n], at most shortBytes, as two numbers.
func shortKey(s string, i, n int, role uint8) (a, b uint64) {
	if i+16 > len(s) {
		var pad [16]byte
		copy(pad[:], s[i:i+n])
		a, b = binary.LittleEndian.Uint64(pad[:]), binary.LittleEndian.Uint64(pad[8:])
	} else {
		p := unsafe.Slice(unsafe.StringData(s), len(s))[i : i+16]
		mask := &keyMasks[n&shortBytes]
		a, b = binary.LittleEndian.Uint64(p)&mask[0], binary.LittleEndian.Uint64(p[8:])&mask[1]
	}
	return a, b | uint64(uint8(n)|role)<<56
}

func (c *wordCache) set(a, b uint64) *shortSet {
	h := (a ^ b*0xC2B2AE3D27D4EB4F) * 0x9E3779B97F4A7C15
	h ^= h >> 32
	return &c.short[h*0xBF58476D1CE4E5B9>>(64-shortBits)]
}

// put makes the word the newer one of its set.
func (set *shortSet) put(a, b uint64, ids []uint32) {
	set[1] = set[0]
	set[0] = shortEntry{key: [2]uint64{a, b}}
	copy(set[0].ids[:], ids)
	set[0].ids[0] |= uint32(len(ids)) << countShift
}

// longSlot returns where s, at most longBytes, belongs, with its padded bytes.
func (c *wordCache) longSlot(s string) (e *longEntry, key [longBytes]byte) {
	copy(key[:], s)
	h := uint64(len(s))
	for i := 0; i < longBytes; i += 8 {
		h = (h ^ binary.LittleEndian.Uint64(key[i:])) * 0x9E3779B97F4A7C15
		h ^= h >> 32
	}
	return &c.long[h>>(32-longBits)&(1<<longBits-1)], key
}

// room makes sure that n more ids fit without growing.
func (st *state) room(n int) {
	if cap(st.ids)-len(st.ids) < n {
		st.ids = append(make([]uint32, 0, 2*cap(st.ids)+n+64), st.ids...)
	}
}

// take appends the ids of an entry; room has made place for shortIDs.
func (st *state) take(ids *[shortIDs]uint32) {
	n := len(st.ids)
	to := (*[shortIDs]uint32)(st.ids[n : n+shortIDs])
	*to = *ids
	to[0] &= 1<<countShift - 1
	st.ids = st.ids[:n+int(ids[0]>>countShift)]
}
