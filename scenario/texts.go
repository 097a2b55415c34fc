package scenario

import (
	"fmt"

	"emurace/emu"
)

// texts is the static data that a thread has for its strings. Each thread has its own, so
// that addresses do not depend on who came first.
type texts struct{ next, end, size uint64 }

// textArea is how many bytes that are.
const textArea = 32 << 10

// textSize is textArea, or less where there are so many threads that nothing would be
// left for other data.
func textSize(threads int) uint64 {
	return min(textArea, uint64(emu.StaticData*3/4/threads)&^15)
}

// newTexts sets static data apart for one of so many threads.
func newTexts(m *emu.Machine, threads int) (texts, error) {
	size := textSize(threads)
	area, err := m.Alloc(size)
	return texts{area, area + size, size}, err
}

// place puts bytes there, for a thread of the machine.
func (t *texts) place(m *emu.Machine, machine int, data []byte) (uint64, error) {
	addr := t.next
	if uint64(len(data)) > t.end-addr {
		return 0, fmt.Errorf("the texts and data of the thread's calls take more than %d bytes", t.size)
	}
	if err := m.Write(machine, addr, data); err != nil {
		return 0, err
	}
	t.next += (uint64(len(data)) + 15) &^ 15
	return addr, nil
}
