// Package subscription is the door out to those who subscribed to changes (FHIR
// R4 subscription.html, channel rest-hook). Its fan-out reads the change feed and
// writes a message to the outbox for each Subscription that a version matches;
// its client delivers these, signed in the way of Standard Webhooks 1.0.
//
// What a Subscription must be, whom it matches and when it stops is the room's
// (package bars). Not supported: the channels websocket, email, sms and message,
// and notification of deletions, which R4 doesn't know.
package subscription
