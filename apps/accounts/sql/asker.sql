-- Purpose: who asks: a session that has not ended, and in the same go the person it is thought to be of, with the roles granted to them.
-- Columns: session_data; what is asked beside; grants as [role, tier slug], null where there are none; the person's, null where unknown
SELECT s.session_data,
       /*beside*/ AS beside,
       (SELECT array_agg(ARRAY[g.role, g.tier_slug]) FROM accounts_rolegrant g WHERE g.person_id = p.id) AS grants,
       /*person*/
FROM django_session s
LEFT JOIN accounts_person p ON p.id = %(person)s
WHERE s.session_key = %(key)s AND s.expire_date > %(now)s
