// Package outbox keeps messages to others until they have been delivered. A
// message is written in the batch of the change that it tells of, so there is
// neither a change without its message nor a message without its change (design
// D30). A Worker delivers them: at least once each, under an id that stays the
// same, and in order for each recipient and focus resource. What can't be
// delivered becomes a dead letter, which is kept until an operator sends it again
// or drops it.
//
// It knows no transport: a Sender for each kind of message does the sending. It
// writes no resource. The room writes messages, adapters send them, cmd starts
// the worker.
package outbox
