package mix

import "math/bits"

// permutation is a pseudo-random bijection of 0…n−1, computed point by point: a Feistel network over the next power of two, walked
// until it falls below n (John Black and Phillip Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002).
type permutation struct {
	n           uint64
	left, right uint // bits of the halves
	keys        [rounds]uint64
}

// rounds is above the four that make a strong pseudo-random permutation of a Feistel network (Luby and Rackoff 1988): halves are
// small here, and it must be even, so that halves of different widths come back to their places.
const rounds = 6

func newPermutation(n int64, seed uint64) permutation {
	width := uint(bits.Len64(uint64(n - 1)))
	p := permutation{n: uint64(n), left: width / 2, right: width - width/2}
	for i := range p.keys {
		seed += 0x9e3779b97f4a7c15
		p.keys[i] = scramble(seed)
	}
	return p
}

// at returns where position i of the shuffled order is taken from.
func (p *permutation) at(i int64) int64 {
	x := uint64(i)
	for {
		l, r := x>>p.right, x&(1<<p.right-1)
		lw, rw := p.left, p.right
		for _, k := range p.keys {
			l, r = r, (l^scramble(r^k))&(1<<lw-1)
			lw, rw = rw, lw
		}
		if x = l<<p.right | r; x < p.n {
			return int64(x)
		}
	}
}

// scramble is the output function of SplitMix64 (Steele, Lea and Flood 2014).
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
