package arena

import "slices"

// freeIndex knows of every chunk of a free list in which one it is. A chunk's address is a multiple
// of 16 below 2^48: with the number of its list it fits into one word.
type freeIndex struct {
	words  []uint64
	sorted bool
}

const (
	listBits  = 20
	maxLists  = 1 << listBits
	maxListed = 1 << 24 // chunks in all lists
)

func (x *freeIndex) full() bool { return len(x.words) >= maxListed }

func (x *freeIndex) add(chunk uint64, list int) {
	x.words = append(x.words, chunk>>4<<listBits|uint64(list))
	x.sorted = false
}

func (x *freeIndex) sort() {
	if !x.sorted {
		slices.Sort(x.words)
		x.sorted = true
	}
}

// at is the numbers of the lists that have a chunk.
func (x *freeIndex) at(chunk uint64) (lists []int) {
	x.sort()
	from := chunk >> 4 << listBits
	i, _ := slices.BinarySearch(x.words, from)
	for ; i < len(x.words) && x.words[i]>>listBits == chunk>>4; i++ {
		lists = append(lists, int(x.words[i]&(maxLists-1)))
	}
	return lists
}

// within tells whether any chunk of a list begins from one address on and before another.
func (x *freeIndex) within(lo, hi uint64) bool {
	x.sort()
	i, _ := slices.BinarySearch(x.words, (lo+align-1)>>4<<listBits)
	return i < len(x.words) && x.words[i]>>listBits<<4 < hi
}
